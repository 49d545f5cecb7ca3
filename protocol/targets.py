"""The API's words for what Prometheus shall scrape, in the form of its HTTP service discovery."""

import msgspec


class TargetView(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of a service that asks for it by `x-rope.metrics`: `10.0.0.12:20431`, and labels for its series.

    `__metrics_path__` says where to ask; `project`, `service`, `replica`, `node` become labels of every series, and
    names with `__meta_` are there for relabelling only (Prometheus's `http_sd_config`).
    """

    targets: tuple[str, ...]
    labels: dict[str, str]
