"""`x-rope.metrics` -> MetricsSpec: where a service tells its figures to Prometheus. Called by `rope`."""

from composefile import inner
from composefile.field import Field
from composefile.probes import read_path
from protocol.spec import MetricsSpec


def read_metrics(field: Field) -> MetricsSpec | None:
    """The port and the path; None for `metrics: false` (none, whatever the project says)."""
    if field.is_scalar and field.written() == "false":
        return None
    entries = field.entries(inner.METRICS)
    if not entries.has("port"):
        raise field.fault("metrics need port", "Add port: and the port in the container.")
    port = entries.read("port", lambda f: f.integer(1, 65535), 0)
    path = entries.read("path", read_path, "/metrics")
    return MetricsSpec(port=port, path=path) if port else None
