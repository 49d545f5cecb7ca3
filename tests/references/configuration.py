"""docs/configuration.md: every option and variable of Center and agent with its default, and the other variables.

Options and meanings are those of `rope center` and `rope agent`; defaults are asked of the settings themselves.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click

from controlplane.settings import Settings as CenterSettings
from controlplane.settings import read_settings as read_center
from nodeagent.settings import Settings as AgentSettings
from nodeagent.settings import read_settings as read_agent
from ropeteam.commands.processes import agent, center
from ropeteam.session import DEFAULT_URL

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
VARIABLE = re.compile(r"\s*\[env: (ROPE_[A-Z_]+)\]")
_SAID_ELSEWHERE = re.compile(r"; [^;]*unless told otherwise|; (24, and 0 is never|1 is usual|the host name)(?=\W|$)")
_FILLED = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")

_CENTER: Mapping[str, Callable[[CenterSettings], object]] = {
    "--data": lambda s: "",
    "--listen": lambda s: f"{s.host}:{s.port}",
    "--public-url": lambda s: s.public_url or "the listening address",
    "--image": lambda s: s.image or "none: join lines start the agent from `rope`",
    "--join-file": lambda s: s.join_file or "none",
    "--insecure": lambda s: s.insecure,
    "--backup-every": lambda s: s.copies.every_s / 3600,
    "--backup-keep": lambda s: s.copies.keep,
    "--backup-dir": lambda s: s.copies.into or "`backups` in the data folder",
    "--metrics-replicas": lambda s: s.metrics_replicas,
    "--restored": lambda s: s.restored,
}

_AGENT: Mapping[str, Callable[[AgentSettings], object]] = {
    "--center": lambda s: s.center or "as remembered",
    "--join": lambda s: s.join or "none",
    "--join-file": lambda s: s.join or "none",
    "--data": lambda s: "",
    "--docker": lambda s: f"`DOCKER_HOST`, else `{s.docker}`",
    "--name": lambda s: "the host name",
    "--address": lambda s: s.address or "as the Center sees it",
    "--label": lambda s: s.labels or "none",
    "--weight": lambda s: s.weight,
    "--bind-root": lambda s: s.bind_roots or "none: no bind mounts",
    "--port-range": lambda s: f"{s.port_from}-{s.port_to}",
    "--subnet-pool": lambda s: s.subnet_pool,
    "--no-exec": lambda s: s.no_exec,
    "--insecure": lambda s: s.insecure,
}

_PERSON = (
    ("ROPE_URL", DEFAULT_URL, "The Center that `rope` asks (`--url`)."),
    ("ROPE_TOKEN", "that of the context", "The token it shows (`--token`)."),
    ("ROPE_CONTEXT", "the current one", "Which Center of those you signed in to (`--context`)."),
    (
        "ROPE_CONFIG",
        "`$XDG_CONFIG_HOME/rope/config.toml`, else `~/.config/rope/config.toml`",
        "Where contexts are kept.",
    ),
    ("NO_COLOR", "", "Set to anything: no colours."),
    ("COMPOSE_FILE, COMPOSE_PATH_SEPARATOR, COMPOSE_PROFILES, COMPOSE_ENV_FILES", "", "As Docker Compose reads them."),
)

_FILL = {
    "ROPE_IMAGE": "The agent's image; the Center's is the same with `-center`.",
    "ROPE_HOST": "Address on which the Center listens.",
    "ROPE_PORT": "Its port.",
    "ROPE_PUBLIC_URL": "`--public-url` of the Center.",
    "ROPE_INSECURE": "`--insecure` of both.",
    "ROPE_ADMIN_TOKEN": "See above.",
    "ROPE_NAME": "`--name` of the agent on this machine.",
    "ROPE_ADDRESS": "`--address` of the agent on this machine.",
    "DOCKER_SOCKET": "The Docker Engine's socket on this machine.",
}

_HEAD = """# Configuration

*Made from the settings themselves by `make references`; a test compares.*

Center and agent read options first, then `ROPE_…` variables, then the defaults, once, at the start; what cannot be
obeyed is an error that names the option and says how to mend it. Secrets belong into variables or files: options are
seen in the process list. A variable for a switch is `1` or `0`.
"""


def page() -> str:
    """The text of docs/configuration.md."""
    ours = read_center(["--data", "/data"], {})
    theirs = read_agent(["--data", "/data"], {})
    secret = (
        "",
        "`ROPE_ADMIN_TOKEN`",
        "made at the first start, and printed once",
        "The admin token; 16 or more characters.",
    )
    parts = [
        _HEAD,
        "## Center\n\n`rope center`, or `python -m controlplane`.\n",
        _table("option", [*_options(center, {o: f(ours) for o, f in _CENTER.items()}), secret]),
        "\n## Agent\n\n`rope agent`, or `python -m nodeagent`. Variables that hold lists have commas.\n",
        _table("option", _options(agent, {o: f(theirs) for o, f in _AGENT.items()})),
        "\n## Command line\n\nOptions are in [the command line](cli.md).\n",
        _table("variable", [(f"`{n}`", _told(d), m) for n, d, m in _PERSON]),
        "\n## deploy/compose.yaml\n\nRead by Docker Compose from `.env` beside the file, or from the environment.\n",
        _table("variable", [(f"`{name}`", _told(default), _FILL[name]) for name, default in filled()]),
    ]
    return "\n".join(parts) + "\n"


def filled() -> list[tuple[str, str]]:
    """Variables of deploy/compose.yaml with their defaults, in the order of their names."""
    return sorted(set(_FILLED.findall(COMPOSE.read_text(encoding="utf-8"))))


def _options(command: click.Command, defaults: Mapping[str, object]) -> list[tuple[str, ...]]:
    """One row for each option. An option without a default here is an error (KeyError)."""
    rows: list[tuple[str, ...]] = []
    for option in command.params:
        assert isinstance(option, click.Option)
        name, text = option.opts[0], option.help or ""
        variable = VARIABLE.search(text)
        meaning = _SAID_ELSEWHERE.sub("", VARIABLE.sub("", text))
        shown = f"`{name} {option.metavar}`" if option.metavar else f"`{name}`"
        rows.append((shown, f"`{variable[1]}`" if variable else "", _told(defaults[name]), meaning))
    return rows


def _told(default: object) -> str:
    """A default as people read it: plain words stay, values are marked as such."""
    match default:
        case bool():
            return "on" if default else "off"
        case float():
            return f"`{default:g}`"
        case "":
            return ""
        case str() if "`" in default or " " in default or default == "none":
            return default
        case _:
            return f"`{default}`"


def _table(first: str, rows: Iterable[tuple[str, ...]]) -> str:
    found = list(rows)
    head = (first, "variable", "default", "meaning") if len(found[0]) == 4 else (first, "default", "meaning")
    lines = [head, ("---",) * len(head), *found]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
