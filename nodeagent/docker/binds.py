"""Which paths of the host may be bind-mounted: those at or below the roots the operator named (DESIGN §8).

Blocking: reads the file system, so callers on the event loop use a thread. Used by `LocalDocker` when a container is
made and before each start.
"""

import os


def allowed_paths(sources: tuple[str, ...], roots: tuple[str, ...]) -> dict[str, str]:
    """Source of a bind mount -> its real path, for those at or below one of `roots`; links are followed on both sides
    first.
    """
    real_roots = [os.path.realpath(root) for root in roots]
    paths = {source: os.path.realpath(source) for source in sources if os.path.isabs(source)}
    return {s: p for s, p in paths.items() if any(os.path.commonpath((p, root)) == root for root in real_roots)}


def strayed(sources: tuple[str, ...], roots: tuple[str, ...]) -> str | None:
    """The first of the paths a container was made with that is not allowed any more or has become a link; None = all
    are what they were. They were real paths when the container was made.
    """
    allowed = allowed_paths(sources, roots)
    return next((source for source in sources if allowed.get(source) != source), None)
