"""The API's words for where a project's services are reached now. Part of `api`, which everybody takes them from."""

import msgspec


class AddressView(msgspec.Struct, frozen=True, kw_only=True):
    """One address that people are sent to: `10.0.0.12:20431`, and the copy behind it."""

    address: str
    container: int
    protocol: str
    node: str
    replica: int
    revision: int


class AddressesView(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /api/v1/projects/{code}/addresses`: where each service is reached now. `version`: another one whenever
    anything in `services` changes; also the ETag, so that `If-None-Match` makes polling cheap (304).
    """

    project: str
    version: str
    services: dict[str, tuple[AddressView, ...]]
