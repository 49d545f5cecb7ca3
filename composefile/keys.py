"""The class of every service key and top-level key of the Compose specification, in one table each.

The list of keys is that of `schema/compose-spec.json` (compose-spec 170098b, 2026-06-23: 92 service keys). A key that
is not here is unknown. Called by `service`, `read` and the documentation (`markdown` makes docs/compose.md).
"""

from composefile import inner
from composefile.rules import Rule, Rules, by_rope, ignored, not_yet, permission, refused, supported
from protocol.options import SYSCTLS, ULIMITS

_NO_HOST = "Remove it; containers here are kept apart from their node."
_IN_DEPLOY_LIMITS = "Use deploy.resources.limits.{}."
_CPU_TUNING = "CPU scheduling is set by cores only"
_CPU_FIX = "Use deploy.resources.limits.cpus."

SERVICE: Rules = {
    # -- supported ------------------------------------------------------------------------------------------------
    "image": supported("required; a tag is resolved once per deploy and its digest pinned"),
    "command": supported("text (split as a shell would) or list"),
    "entrypoint": supported("text (split as a shell would) or list"),
    "environment": supported("map or list; each name needs a value: the Center has no shell to take it from"),
    "ports": supported(
        "short and long form, ranges, tcp and udp. `80`: an automatic host port; `8080:80`: fixed; "
        "`8000-8010:80`: any of the range. Published on the node of each replica"
    ),
    "expose": supported("ports as text or number, ranges"),
    "volumes": supported(
        "short and long form: named volumes declared at top level, anonymous volumes, tmpfs, and absolute paths below "
        "the agent's --bind-root. A volume lives on one node and holds its replica there"
    ),
    "tmpfs": supported("text or list; options `size=` and `mode=`"),
    "networks": supported("list, or map with `aliases`; the project's own networks"),
    "healthcheck": supported("Docker's own; interval 30s, timeout 30s, retries 3 unless given; the agent heals by it"),
    "depends_on": supported("list, or map with condition, required and restart; order of start and stop"),
    "restart": supported("no, always, unless-stopped, on-failure[:N]. Without it: unless-stopped (Compose: no)"),
    "deploy": supported("replicas, update_config, rollback_config, restart_policy, resources, placement; see below"),
    "scale": supported("the same as deploy.replicas"),
    "cpus": supported("the same as deploy.resources.limits.cpus"),
    "mem_limit": supported("the same as deploy.resources.limits.memory"),
    "pids_limit": supported("the same as deploy.resources.limits.pids"),
    "mem_reservation": supported("the same as deploy.resources.reservations.memory"),
    "init": supported("true or false"),
    "hostname": supported("a host name"),
    "user": supported("user[:group], names or numbers"),
    "working_dir": supported("an absolute path"),
    "read_only": supported("true or false"),
    "labels": supported("map or list; names under `ropeteam.` are ours"),
    "stop_signal": supported("a name or number, as SIGTERM"),
    "stop_grace_period": supported("a duration, as 1m30s; 10s unless given"),
    "cap_drop": supported("list of capabilities, or ALL; NET_RAW is always dropped"),
    "cap_add": supported(
        "to keep some of what cap_drop: [ALL] takes: capabilities that Docker gives by default; others need permission"
    ),
    "security_opt": supported("no-new-privileges:true only, which is always on; others need permission"),
    "dns": supported("addresses, text or list"),
    "dns_opt": supported("options of resolv.conf"),
    "dns_search": supported("domains, text or list"),
    "extra_hosts": supported("`name=address` or `name:address`, list or map"),
    "group_add": supported("names or numbers"),
    "shm_size": supported("bytes, or 128m"),
    "sysctls": supported(
        "map or list; settings that each container has for itself and that are safe for the node: "
        + ", ".join(f"`{name}`" for name in sorted(SYSCTLS))
    ),
    "ulimits": supported(
        "a number, or soft and hard, of " + ", ".join(f"`{name}`" for name in sorted(ULIMITS)) + "; -1 = no limit"
    ),
    "logging": supported("driver json-file, local or none, with max-size and max-file; 3 files of 10m unless given"),
    "env_file": by_rope("a path, or a list of paths and of mappings with path, required and format"),
    "label_file": by_rope("a path, or a list of paths"),
    "profiles": by_rope("list; the service is deployed with --profile or COMPOSE_PROFILES only"),
    "extends": by_rope("a service of this file, or service and file"),
    # -- accepted with a warning ----------------------------------------------------------------------------------
    "build": ignored("the Center never builds; it runs image", "Remove it, or keep it for docker compose."),
    "container_name": ignored("containers get names of their own, one for each replica", "Use the service name."),
    "develop": ignored("for docker compose watch only"),
    "attach": ignored("for docker compose up only"),
    "pull_policy": ignored("a deploy resolves each tag once and pins its digest"),
    "pull_refresh_after": ignored("a deploy resolves each tag once and pins its digest"),
    "domainname": ignored("containers have no domain of their own", "Put the full name into hostname."),
    # -- needs permission -----------------------------------------------------------------------------------------
    "privileged": permission("gives the container the whole node", _NO_HOST),
    "pid": permission("shares the node's processes", _NO_HOST),
    "ipc": permission("shares memory with the node or another container", _NO_HOST),
    "network_mode": permission("replaces the project's network", "Remove it; use networks: and ports:."),
    "userns_mode": permission("turns the node's user namespace off", _NO_HOST),
    "uts": permission("shares the node's host name", "Remove it; use hostname:."),
    "cgroup": permission("shares the node's control groups", _NO_HOST),
    "devices": permission("gives the container devices of the node", _NO_HOST),
    "runtime": permission("chooses how the node isolates the container", _NO_HOST),
    "use_api_socket": permission("gives the container the Docker Engine of the node", _NO_HOST),
    # -- refused for now ------------------------------------------------------------------------------------------
    "annotations": not_yet("Use labels: where the image reads them."),
    "configs": not_yet("Put the file into the image, or mount it from below a --bind-root."),
    "secrets": not_yet("Put the file below a --bind-root, or use environment:."),
    "platform": not_yet("Use deploy.placement.constraints: node.platform.arch == amd64."),
    "tty": not_yet(),
    "stdin_open": not_yet(),
    "cpuset": not_yet(_CPU_FIX),
    "cpu_shares": not_yet(_CPU_FIX),
    "memswap_limit": not_yet(_IN_DEPLOY_LIMITS.format("memory")),
    "mem_swappiness": not_yet(_IN_DEPLOY_LIMITS.format("memory")),
    "oom_score_adj": not_yet(_IN_DEPLOY_LIMITS.format("memory")),
    "gpus": not_yet("Label the nodes (gpu=true) and use x-rope.labels; the container gets no GPU yet."),
    # -- refused --------------------------------------------------------------------------------------------------
    "links": refused("containers find each other by service name"),
    "external_links": refused("a project reaches only its own containers by name", "Use an address in environment:."),
    "volumes_from": refused("replicas may run on different nodes", "Name the same volume in both services."),
    "credential_spec": refused("Windows containers are not run here"),
    "isolation": refused("Windows containers are not run here"),
    "provider": refused("services are containers here", "Run it outside, and give its address in environment:."),
    "models": refused("services are containers here", "Run the model as a service of its own."),
    "cgroup_parent": refused("the node decides where its containers are counted"),
    "blkio_config": refused("disk rates are not limited"),
    "cpu_count": refused("Windows containers are not run here", _CPU_FIX),
    "cpu_percent": refused("Windows containers are not run here", _CPU_FIX),
    "cpu_period": refused(_CPU_TUNING, _CPU_FIX),
    "cpu_quota": refused(_CPU_TUNING, _CPU_FIX),
    "cpu_rt_period": refused(_CPU_TUNING, _CPU_FIX),
    "cpu_rt_runtime": refused(_CPU_TUNING, _CPU_FIX),
    "device_cgroup_rules": refused("gives the container devices of the node"),
    "mac_address": refused("every replica would have the same one"),
    "storage_opt": refused("depends on the storage driver of each node"),
    "oom_kill_disable": refused("a container without it can hang its node", _IN_DEPLOY_LIMITS.format("memory")),
    "post_start": refused("healing would run it again and again", "Do it in the entrypoint."),
    "pre_stop": refused("it would not run when a node is lost", "Handle stop_signal in the program."),
}
"""Every service key of the Compose specification, each in one class."""

X_ROPE = supported("our own options; see below")

TOP: Rules = {
    "services": supported("required; 1 to 100 services"),
    "networks": supported("empty, or driver: bridge"),
    "volumes": supported("empty, or driver: local"),
    "name": supported("must be the project's code"),
    "version": ignored("obsolete in Compose"),
    "include": by_rope("list of paths, and of mappings with path, project_directory and env_file"),
    "configs": not_yet("Put the file into the image, or mount it from below a --bind-root."),
    "secrets": not_yet("Put the file below a --bind-root, or use environment:."),
    "models": refused("services are containers here", "Run the model as a service of its own."),
}
"""Every top-level key of the Compose specification."""

_CLASSES = (
    ("supported", "Supported", "form and meaning here", ""),
    ("warning", "Accepted with a warning", "why it is ignored", "instead"),
    ("permission", "Needs permission", "reason", "fix"),
    ("refused", "Refused", "reason", "fix"),
)

_HEAD = """# Compose keys

One Compose file is one project. Keys have Compose's meaning. What is not supported is an error with its line, the
reason and a fix, all of them at once; nothing is dropped in silence.

This page is made from the table in `composefile/keys.py`.

* `rope deploy`, `rope plan` and `rope compose config` work out on your machine what a file takes from it, by the rules
  of Compose: several `-f` over each other (`!reset`, `!override`), `compose.override.yaml`, `include`, `extends`,
  `profiles`, `env_file`, `label_file` and variables. One self-contained file is sent; errors name your own files and
  lines.
* Variables: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`,
  `${NAME:+other}`, `${NAME+other}`, nested; `$$` is a literal dollar. The environment wins over `--env-file`, which
  takes the place of the `.env` beside the first file. In a file sent to the Center by other means they are errors.
* When files are merged, `x-rope.canary`, `probe` and `metrics` of a later file replace those of an earlier one.
* Anchors, aliases and `<<` work. `x-…` keys other than `x-rope` are left to other tools.
* Limits: 1 MiB of text, 64 levels, 10,000 values once aliases are expanded, 100 services, 1000 replicas and 256
  published ports per service, 32 KiB per value, 40 KiB per service.

Where it differs from Docker Compose (its 2.40 was asked the same over 3,000 random files):

* Without `restart`, a service is `unless-stopped` (Compose: `no`), unless another one waits until it has completed.
  An update that fails is rolled back (Compose: paused), and starts first where it can (Compose: stops first).
* Numbers in a command's list are taken as written; a one-letter volume is a volume, not a drive; `tmpfs` is merged by
  path; a line end of Windows inside quotes of an env file is a plain one. Compose refuses or keeps these.
* `healthcheck` needs `test`; a name twice in a list of `environment`, one host port for two container ports, and every
  key in the tables below that is not supported are errors.
"""


def markdown() -> str:
    """The text of docs/compose.md: every key with its class, reason and fix."""
    parts = [_HEAD, "## Service keys\n"]
    for kind, title, *columns in _CLASSES:
        chosen = {name: rule for name, rule in sorted(SERVICE.items()) if rule.kind == kind}
        parts.append(f"### {title} ({len(chosen)})\n\n{_table(chosen, columns[0], columns[1])}")
    parts.append("## Top-level keys\n\n" + _table({**TOP, "x-rope": X_ROPE}, "meaning or reason", "fix", classes=True))
    for path, rules in inner.TABLES.items():
        parts.append(f"## `{path}`\n\n" + _table(rules, "meaning or reason", "fix", classes=True))
    return "\n".join(parts)


def _table(rules: Rules, text: str, fix: str, classes: bool = False) -> str:
    head = ["key", *(["class"] if classes else []), text, *([fix] if fix else [])]
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row(_cells(name, rule, bool(fix), classes)) for name, rule in rules.items()]
    return "\n".join(lines) + "\n"


def _cells(name: str, rule: Rule, fix: bool, classes: bool) -> list[str]:
    return [f"`{name}`", *([rule.kind] if classes else []), rule.text, *([rule.fix] if fix else [])]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
