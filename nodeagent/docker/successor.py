"""The container that shall take an agent's place, and the one that replaces it, as Docker is asked to make them. Pure.

Read from the raw answer of `inspect`: the same settings, except what came from the old image, for which the new image
has its own. Used by `nodeagent.docker.agents`.
"""

import posixpath
from collections.abc import Mapping
from typing import Any

REPLACES = "ropeteam.replacing"
"""Label of the container that replaces an agent: the task it does so for."""

HELPER_RETRIES = 10

Raw = Mapping[str, Any]

_OWN_NETWORKS = ("default", "bridge", "host", "none", "")
_FROM_IMAGE = ("User", "ExposedPorts", "WorkingDir", "Healthcheck", "StopSignal", "Shell", "Volumes", "OnBuild")
_HELPER_HOST = (
    "SecurityOpt",
    "GroupAdd",
    "UsernsMode",
    "Privileged",
    "ReadonlyRootfs",
    "Tmpfs",
    "LogConfig",
    "Runtime",
)


def obstacle(own: Raw, data: str) -> str:
    """Why this container cannot be replaced; "" = it can. `data`: the agent's folder in it."""
    if own["HostConfig"].get("AutoRemove"):
        return "the agent's container was started with --rm, so it could not be put back: start it without"
    if not any(_holds(mount["Destination"], data) for mount in own.get("Mounts") or ()):
        return f"the agent's folder {data} is in no volume and its key would be lost: start it with -v NAME:{data}"
    return ""


def successor(own: Raw, image_config: Raw, image: str) -> dict[str, Any]:
    """The body of `containers/create`: `own` (an inspect) with another image. `image_config`: `Config` of the old
    image.
    """
    config = {key: value for key, value in own["Config"].items() if key != "Image"}
    for key in _FROM_IMAGE:
        if key in config and config[key] == image_config.get(key):
            del config[key]
    if config.get("Hostname") == own["Id"][:12]:
        config.pop("Hostname")
    config["Env"] = [one for one in config.get("Env") or () if one not in (image_config.get("Env") or ())]
    labels = image_config.get("Labels") or {}
    config["Labels"] = {k: v for k, v in (config.get("Labels") or {}).items() if labels.get(k) != v}
    if config.get("Entrypoint") == image_config.get("Entrypoint"):
        config.pop("Entrypoint", None)
        if config.get("Cmd") == image_config.get("Cmd"):
            config.pop("Cmd", None)
    host = dict(own["HostConfig"])
    host["Binds"] = [*(host.get("Binds") or ()), *_unnamed(own, host)]
    body = {**config, "Image": image, "HostConfig": host}
    mode = host.get("NetworkMode", "")
    if mode not in _OWN_NETWORKS and not mode.startswith("container:"):
        joined = (own.get("NetworkSettings") or {}).get("Networks") or {}
        if mode in joined:
            body["NetworkingConfig"] = {"EndpointsConfig": {mode: endpoint(own, joined[mode])}}
    return body


def other_networks(own: Raw) -> dict[str, dict[str, Any]]:
    """The networks beyond the first, which the new container is connected to after it was made."""
    mode = own["HostConfig"].get("NetworkMode", "")
    joined = (own.get("NetworkSettings") or {}).get("Networks") or {}
    return {name: endpoint(own, how) for name, how in joined.items() if name not in (mode, *_OWN_NETWORKS)}


def endpoint(own: Raw, how: Raw) -> dict[str, Any]:
    """How it is joined to a network, without what Docker chose."""
    aliases = [alias for alias in how.get("Aliases") or () if alias != own["Id"][:12]]
    return {"Aliases": aliases, "IPAMConfig": how.get("IPAMConfig")}


def replacer(own: Raw, command: list[str], task: str, *, local: bool) -> dict[str, Any]:
    """The body for the container that replaces this one: the same image, volumes and rights, another command. Docker
    starts it again when it fails, and after a power loss. `local`: the engine is reached by a socket of a volume.
    """
    config, host = own["Config"], own["HostConfig"]
    return {
        "Image": own["Image"],
        "User": config.get("User", ""),
        "Env": config.get("Env") or [],
        "WorkingDir": config.get("WorkingDir", ""),
        "Entrypoint": command[:1],
        "Cmd": command[1:],
        "Labels": {REPLACES: task},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            **{key: host[key] for key in _HELPER_HOST if key in host},
            "VolumesFrom": [own["Id"]],
            "NetworkMode": "none" if local else host.get("NetworkMode", "default"),
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": HELPER_RETRIES},
        },
    }


def _unnamed(own: Raw, host: Raw) -> list[str]:
    """Volumes that nobody named, which the new container shall have as well."""
    said = {bind.split(":")[1] for bind in host.get("Binds") or () if bind.count(":")}
    said |= {mount.get("Target", "") for mount in host.get("Mounts") or ()}
    return [
        f"{mount['Name']}:{mount['Destination']}" + ("" if mount.get("RW", True) else ":ro")
        for mount in own.get("Mounts") or ()
        if mount.get("Type") == "volume" and mount["Destination"] not in said
    ]


def _holds(folder: str, path: str) -> bool:
    return posixpath.commonpath((folder, path)) == folder
