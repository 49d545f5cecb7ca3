"""The class of every key below a service's own: deploy, ports, volumes, healthcheck and so on, and of `x-rope`.

Tables only. Called by the readers of those parts, and by `keys.markdown`.
"""

from composefile.rules import Rules, ignored, not_yet, refused, supported

_SWARM_LABELS = "labels of a Swarm service have no place here"

DEPLOY: Rules = {
    "replicas": supported("0 to 1000; 1 unless given"),
    "mode": supported("replicated only"),
    "resources": supported("limits go to Docker, reservations to the scheduler"),
    "placement": supported("where replicas may run"),
    "labels": refused(_SWARM_LABELS, "Use labels: of the service."),
    "endpoint_mode": not_yet(),
    "update_config": supported("how an update goes; see below"),
    "rollback_config": supported("how a rollback goes; without it as an update"),
    "restart_policy": supported("the same as restart; see below"),
}

_UPDATE: Rules = {
    "parallelism": supported("replicas at a time; 1 unless given, 0 = all at once"),
    "delay": supported("a pause between them; 0s unless given"),
    "order": supported(
        "start-first or stop-first. Without it start-first, but stop-first with a fixed host port or a named volume "
        "(Compose: stop-first)"
    ),
    "monitor": supported("how long a new replica without a health check must stay up; 5s unless given"),
}

UPDATE: Rules = {
    **_UPDATE,
    "failure_action": supported("rollback, pause or continue; rollback unless given (Compose: pause)"),
    "max_failure_ratio": supported("share of replicas that may fail, 0 to 1; 0 unless given"),
}

ROLLBACK: Rules = {
    **_UPDATE,
    "failure_action": supported("pause or continue; pause unless given"),
    "max_failure_ratio": supported("share of replicas that may fail, 0 to 1; 0 unless given"),
}

RESTART_POLICY: Rules = {
    "condition": supported("none, on-failure or any; any unless given"),
    "max_attempts": supported("with on-failure: give up after so many restarts"),
    "delay": ignored("the agent waits longer after each failure, up to a minute"),
    "window": ignored("the agent counts failures anew after 10 stable minutes"),
}

RESOURCES: Rules = {
    "limits": supported("cpus, memory, pids"),
    "reservations": supported("cpus, memory"),
}

LIMITS: Rules = {
    "cpus": supported("cores, 0.01 to 1024"),
    "memory": supported("bytes, or 512m, 2g; at least 6m"),
    "pids": supported("number of processes; -1 = no limit"),
}

RESERVATIONS: Rules = {
    "cpus": supported("cores counted by the scheduler; 0.1 unless given"),
    "memory": supported("memory counted by the scheduler; 64m unless given"),
    "devices": not_yet("Label the nodes (gpu=true) and use x-rope.labels."),
    "generic_resources": not_yet("Label the nodes and use x-rope.labels."),
}

PLACEMENT: Rules = {
    "constraints": supported(
        "`==` and `!=` on node.labels.KEY, node.hostname, node.id (the node's name), node.platform.os, "
        "node.platform.arch"
    ),
    "preferences": supported("`spread: node.labels.KEY`"),
    "max_replicas_per_node": supported("0 = no limit"),
}

PREFERENCE: Rules = {"spread": supported("node.labels.KEY")}

HEALTHCHECK: Rules = {
    "test": supported("text (run by a shell), or a list that starts with CMD, CMD-SHELL or NONE"),
    "interval": supported("30s unless given"),
    "timeout": supported("30s unless given"),
    "retries": supported("3 unless given"),
    "start_period": supported("0s unless given"),
    "disable": supported("true = no check, not even the image's"),
    "start_interval": ignored("health is checked every interval from the start", "Use interval."),
}

PORT: Rules = {
    "target": supported("the container's port; required"),
    "published": supported("a host port or a range; without it an automatic one"),
    "protocol": supported("tcp or udp"),
    "host_ip": supported("the node's address to listen on; all unless given"),
    "mode": supported(
        "host: ports are published on the node of each replica; ingress is taken as host, with a warning"
    ),
    "name": refused("ports have no names here"),
    "app_protocol": refused("ports are passed on as they are"),
}

VOLUME: Rules = {
    "type": supported("volume, bind or tmpfs; required"),
    "source": supported("a declared volume, or an absolute path"),
    "target": supported("an absolute path in the container; required"),
    "read_only": supported("true or false"),
    "tmpfs": supported("size and mode"),
    "bind": refused("bind mounts have no further options here", "Remove it; make the path on the node first."),
    "volume": refused("volumes have no further options here"),
    "consistency": refused("nodes run Linux"),
    "image": refused("images are not mounted"),
}

VOLUME_TMPFS: Rules = {
    "size": supported("bytes, or 64m"),
    "mode": supported("permissions in octal, as 1777"),
}

ULIMIT: Rules = {"soft": supported("a number; -1 = no limit"), "hard": supported("a number; -1 = no limit")}

LOGGING: Rules = {
    "driver": supported("json-file (unless given), local or none"),
    "options": supported("max-size and max-file"),
}

LOG_OPTIONS: Rules = {
    "max-size": supported("of each file, 1k to 1g; 10m unless given"),
    "max-file": supported("1 to 20; 3 unless given"),
    "compress": ignored("the engine decides"),
    "mode": ignored("the engine decides"),
    "tag": ignored("lines are known by replica"),
}

ENV_FILE: Rules = {
    "path": supported("a file on the machine where rope runs; required"),
    "required": supported("false: nothing is said when the file is missing; true unless given"),
    "format": supported("raw: values are taken as they are, with quotes and dollars"),
}

EXTENDS: Rules = {
    "service": supported("the service whose keys this one takes; required"),
    "file": supported("the file it is in; the same one unless given"),
}

INCLUDE: Rules = {
    "path": supported("a file, or a list of files each over the one before; required"),
    "project_directory": supported("where its relative paths count from; the directory of the first file unless given"),
    "env_file": supported("its variables; `.env` in its directory unless given. The project's own variables win"),
}

DEPENDENCY: Rules = {
    "condition": supported(
        "service_started; service_healthy (the other service needs a healthcheck or an x-rope.probe); "
        "service_completed_successfully (the other service runs once: restart no, also where it says nothing, or "
        "on-failure)"
    ),
    "required": supported("false: go on where the other service is missing or fails; true unless given"),
    "restart": supported("true: restart this service after the other one was replaced or restarted"),
}

NETWORK_USE: Rules = {
    "aliases": supported("further names of the service on this network"),
    "ipv4_address": refused("the agent gives addresses"),
    "ipv6_address": refused("the agent gives addresses"),
    "link_local_ips": refused("the agent gives addresses"),
    "mac_address": refused("every replica would have the same one"),
    "interface_name": not_yet(),
    "driver_opts": refused("networks are plain bridges on each node"),
    "priority": not_yet(),
    "gw_priority": not_yet(),
}

NETWORK: Rules = {
    "driver": supported("bridge only"),
    "external": refused("the agent makes a project's networks", "Remove it: services of one project share a network."),
    "name": refused("a network is named rope-PROJECT-NETWORK on each node"),
    "driver_opts": refused("networks are plain bridges on each node"),
    "ipam": refused("the agent takes subnets from its own pool", "Remove it; see the agent's address pool."),
    "internal": not_yet(),
    "attachable": not_yet(),
    "labels": not_yet(),
    "enable_ipv4": not_yet(),
    "enable_ipv6": not_yet(),
}

NAMED_VOLUME: Rules = {
    "driver": supported("local only"),
    "external": refused("a project's volumes are its own", "Remove it; copy the data into PROJECT_VOLUME on the node."),
    "name": refused("a volume is named PROJECT_VOLUME on its node"),
    "driver_opts": not_yet("Mount it on the node and use an absolute path below a --bind-root."),
    "labels": not_yet(),
}

ROPE: Rules = {
    "strategy": supported("least_loaded, labels or affinity"),
    "labels": supported("KEY: VALUE (required), or required: {…} and preferred: {…}; matched with the nodes' labels"),
    "movable": supported("true: move it although it has data on its node; false: never move it by itself"),
    "canary": supported("a part of the replicas gets a new version first; see below; false = none"),
    "release": supported("rolling (unless given), or blue_green: a whole second set, switched at once"),
    "release_keep": supported("blue_green: how long the old set is kept for an instant return; 10m unless given"),
    "probe": supported("a check that the agent makes; see below; false = none"),
    "on_return": supported(
        "keep_new (unless given), keep_old or first_healthy: which copy stays when a lost node comes back"
    ),
    "failover": supported("when replicas of a lost node are started elsewhere; see below"),
    "port": supported("strict: a fixed host port is required on failover too; remap (unless given): another will do"),
    "drain_wait": supported("time between the withdrawal of an address and the stop signal; 2s unless given"),
    "metrics": supported("Prometheus finds its copies at `/api/v1/prometheus/targets`; see below; false = none"),
}

CANARY: Rules = {
    "replicas": supported("how many, at most the service's replicas; this or percent"),
    "percent": supported("how many of the replicas, 1 to 100; this or replicas"),
    "promote": supported("manual (unless given): rope deploy promote; auto: after observe"),
    "observe": supported("how long the canary is watched before it is promoted; 2m unless given"),
}

PROBE: Rules = {
    "http": supported("a request; this, tcp or exec"),
    "tcp": supported("a connection; this, http or exec"),
    "exec": supported("a command in the container, text (split as a shell would) or list; exit code 0 is healthy"),
    "interval": supported("10s unless given"),
    "timeout": supported("3s unless given"),
    "retries": supported("3 unless given"),
    "start_period": supported("0s unless given"),
}

PROBE_HTTP: Rules = {
    "port": supported("a port in the container; required"),
    "path": supported("`/` unless given"),
    "status": supported("200, or a range; 200-399 unless given"),
    "headers": supported("map or list"),
}

PROBE_TCP: Rules = {"port": supported("a port in the container; required")}

FAILOVER: Rules = {
    "after": supported("silence of the node; 15s (the least) unless given"),
    "mode": supported("auto (unless given); manual: a person says when; never"),
}

METRICS: Rules = {
    "port": supported("a TCP port in the container that `ports` publishes; required"),
    "path": supported("`/metrics` unless given"),
}

TABLES: dict[str, Rules] = {
    "deploy": DEPLOY,
    "deploy.update_config": UPDATE,
    "deploy.rollback_config": ROLLBACK,
    "deploy.restart_policy": RESTART_POLICY,
    "deploy.resources": RESOURCES,
    "deploy.resources.limits": LIMITS,
    "deploy.resources.reservations": RESERVATIONS,
    "deploy.placement": PLACEMENT,
    "deploy.placement.preferences[]": PREFERENCE,
    "healthcheck": HEALTHCHECK,
    "ports[] (long form)": PORT,
    "volumes[] (long form)": VOLUME,
    "volumes[].tmpfs": VOLUME_TMPFS,
    "ulimits.NAME": ULIMIT,
    "logging": LOGGING,
    "logging.options": LOG_OPTIONS,
    "env_file[] (long form)": ENV_FILE,
    "extends": EXTENDS,
    "include[] (long form)": INCLUDE,
    "depends_on.SERVICE": DEPENDENCY,
    "networks.NETWORK of a service": NETWORK_USE,
    "networks.NETWORK at top level": NETWORK,
    "volumes.VOLUME at top level": NAMED_VOLUME,
    "x-rope of a service or at top level": ROPE,
    "x-rope.canary": CANARY,
    "x-rope.probe": PROBE,
    "x-rope.probe.http": PROBE_HTTP,
    "x-rope.probe.tcp": PROBE_TCP,
    "x-rope.failover": FAILOVER,
    "x-rope.metrics": METRICS,
}
"""Path -> rules, as the documentation shows them."""
