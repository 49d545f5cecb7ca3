"""The class of every key below a service's own: deploy, ports, volumes, healthcheck and so on, and of `x-rope`.

Tables only. Called by the readers of those parts, and by `keys.markdown`.
"""

from composefile.rules import Rules, not_yet, refused, supported

_SWARM_LABELS = "labels of a Swarm service have no place here"

DEPLOY: Rules = {
    "replicas": supported("0 to 1000; 1 unless given"),
    "mode": supported("replicated only"),
    "resources": supported("limits go to Docker, reservations to the scheduler"),
    "placement": supported("where replicas may run"),
    "labels": refused(_SWARM_LABELS, "Use labels: of the service."),
    "endpoint_mode": not_yet(),
    "update_config": not_yet("Remove it: updates go one replica at a time and stop at the first that fails."),
    "rollback_config": not_yet("Remove it; use rope rollback."),
    "restart_policy": not_yet("Use restart: of the service."),
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
    "start_interval": not_yet("Use interval."),
}

PORT: Rules = {
    "target": supported("the container's port; required"),
    "published": supported("a host port or a range; without it an automatic one"),
    "protocol": supported("tcp or udp"),
    "host_ip": supported("the node's address to listen on; all unless given"),
    "mode": supported("host only: ports are published on the node of each replica"),
    "name": refused("ports have no names here"),
    "app_protocol": refused("ports are passed on as they are"),
}

VOLUME: Rules = {
    "type": supported("volume, bind or tmpfs; required"),
    "source": supported("a declared volume, or an absolute path"),
    "target": supported("an absolute path in the container; required"),
    "read_only": supported("true or false"),
    "tmpfs": supported("size"),
    "bind": refused("bind mounts have no further options here", "Remove it; make the path on the node first."),
    "volume": refused("volumes have no further options here"),
    "consistency": refused("nodes run Linux"),
    "image": refused("images are not mounted"),
}

VOLUME_TMPFS: Rules = {
    "size": supported("bytes, or 64m"),
    "mode": not_yet(),
}

DEPENDENCY: Rules = {
    "condition": supported("service_started, or service_healthy (the other service needs a healthcheck)"),
    "required": supported("true only"),
    "restart": supported("false only"),
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
}

TABLES: dict[str, Rules] = {
    "deploy": DEPLOY,
    "deploy.resources": RESOURCES,
    "deploy.resources.limits": LIMITS,
    "deploy.resources.reservations": RESERVATIONS,
    "deploy.placement": PLACEMENT,
    "deploy.placement.preferences[]": PREFERENCE,
    "healthcheck": HEALTHCHECK,
    "ports[] (long form)": PORT,
    "volumes[] (long form)": VOLUME,
    "volumes[].tmpfs": VOLUME_TMPFS,
    "depends_on.SERVICE": DEPENDENCY,
    "networks.NETWORK of a service": NETWORK_USE,
    "networks.NETWORK at top level": NETWORK,
    "volumes.VOLUME at top level": NAMED_VOLUME,
    "x-rope of a service or at top level": ROPE,
}
"""Path -> rules, as the documentation shows them."""
