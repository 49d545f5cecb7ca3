"""What of the journal a reader of the events page wants: from the address of the page, and the same live. Pure.

Used by `pages.py` and `views.py`.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

import msgspec

from controlplane.web.history import Wanted, is_kind
from controlplane.web.work import Line
from protocol.names import NODE, PROJECT, is_legal

KINDS = ("deployment", "replica", "node", "alarm", "token", "exec")
"""Groups of kinds that the page offers."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """ "" and False = all. `after`: only lines with a greater sequence number."""

    project: str = ""
    node: str = ""
    kind: str = ""
    by_people: bool = False
    after: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filter":
        """From the fields of a form. What is no name or kind finds nothing, so it is left out."""
        project, node, kind = query.get("project", ""), query.get("node", ""), query.get("kind", "")
        after = query.get("after", "")
        return cls(
            project=project if is_legal(PROJECT, project) else "",
            node=node if is_legal(NODE, node) else "",
            kind=kind if kind in KINDS else "",
            by_people=query.get("people", "") == "1",
            after=int(after) if after.isascii() and after.isdigit() and len(after) < 19 else 0,
        )

    @classmethod
    def of_query(cls, text: str) -> "Filter":
        """As `of`, from an urlencoded text."""
        return cls.of(dict(parse_qsl(text)))

    @property
    def query(self) -> str:
        """Urlencoded, without what is left open."""
        found = {
            "project": self.project,
            "node": self.node,
            "kind": self.kind,
            "people": "1" if self.by_people else "",
            "after": str(self.after or ""),
        }
        return urlencode({k: v for k, v in found.items() if v})

    @property
    def wanted(self) -> Wanted:
        """For the journal."""
        return Wanted(project=self.project, node=self.node, kind=self.kind, by_people=self.by_people)

    def fits(self, line: Line) -> bool:
        """True when a line is one of these; `after` is not looked at."""
        return (
            self.project in ("", line.project)
            and self.node in ("", line.node)
            and is_kind(line.kind, self.kind)
            and (bool(line.actor) or not self.by_people)
        )
