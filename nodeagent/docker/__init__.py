"""The local Docker Engine: the only code that imports aiodocker. Implements the port `nodeagent.core.container.Docker`.

Knows nothing of desired state, the Center or retries of work; the executor, the watcher and the meters call it.
"""

from nodeagent.docker.local import LocalDocker

__all__ = ["LocalDocker"]
