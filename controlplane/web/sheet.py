"""One view in one language, rendered piece by piece: what changed since the last time becomes one frame for everybody.

The same pieces make the first paint and the live frames. Pure but for the templates. Used by `live.py`, `pages.py`.
"""

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice

import msgspec
from markupsafe import Markup

DELTAS_KEPT = 3
"""With more frames missed, what is sent twice in them is as much as everything."""

Draw = Callable[[str, object], str]
"""Renders the template of this name with `it` = the value."""


class Piece(msgspec.Struct, frozen=True):
    """A section that is drawn as a whole, inside the element with its name as id."""

    template: str
    value: object


class Many(msgspec.Struct, frozen=True):
    """A list, inside the element with its name as id; each entry is an element with its key as id.

    `empty`: the template for no entries.
    """

    template: str
    empty: str
    entries: Mapping[str, object]


Pieces = Mapping[str, Piece | Many]


class Sheet:
    """The rendered pieces. `version` grows with every change."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._values: dict[str, object] = {}
        """By name of a piece, or of a list and an entry."""
        self._drawn: dict[str, str] = {}
        self._entries: dict[str, dict[str, str]] = {}
        self._ahead: dict[str, tuple[object, str]] = {}
        """Entries drawn by `prepare` for values that `update` has not seen yet."""
        self._deltas: deque[str] = deque(maxlen=DELTAS_KEPT)
        """The frames that led to the present version, newest last."""
        self._all: str | None = None
        self.version = 0

    def prepare(self, pieces: Pieces, most: int) -> bool:
        """Draw up to `most` entries of lists ahead of `update`; True when there is more to draw.

        With hundreds of entries one `update` would hold everybody else up for too long.
        """
        left = most
        for name, piece in pieces.items():
            if not isinstance(piece, Many):
                continue
            drawn = self._entries.get(name, {})
            for key, value in piece.entries.items():
                if (key in drawn and _same(self._values.get(key), value)) or self._is_ahead(key, value):
                    continue
                if not left:
                    return True
                self._ahead[key] = value, self._draw(piece.template, value)
                left -= 1
        return False

    def update(self, pieces: Pieces) -> bool:
        """Draw what is another value than before; True when anything is. Values are compared by identity first."""
        frame = []
        for name, piece in pieces.items():
            match piece:
                case Piece():
                    frame += self._piece(name, piece)
                case Many():
                    frame += self._many(name, piece)
        self._ahead.clear()
        if not frame:
            return False
        self._deltas.append("".join(frame))
        self._all = None
        self.version += 1
        return True

    def section(self, name: str) -> Markup:
        """What is inside a section, for the first paint."""
        drawn = self._drawn.get(name)
        return Markup(drawn if drawn is not None else "".join(self._entries[name].values()))  # noqa: S704 - rendered by autoescaping templates

    def since(self, version: int) -> str:
        """The frame that leads from this version to the present one; "" when it is the present one. Who missed more
        than `DELTAS_KEPT` gets everything.
        """
        missed = self.version - version
        if not missed:
            return ""
        if 0 < missed <= len(self._deltas):
            return "".join(islice(self._deltas, len(self._deltas) - missed, None))
        if self._all is None:
            names = (*self._drawn, *self._entries)
            self._all = "".join(_partial(name, self.section(name), "innerMorph") for name in dict.fromkeys(names))
        return self._all

    def _is_ahead(self, key: str, value: object) -> bool:
        return key in self._ahead and _same(self._ahead[key][0], value)

    def _piece(self, name: str, piece: Piece) -> list[str]:
        if name in self._drawn and _same(self._values.get(name), piece.value):
            return []
        self._values[name] = piece.value
        drawn = self._draw(piece.template, piece.value)
        if drawn == self._drawn.get(name):
            return []
        self._drawn[name] = drawn
        return [_partial(name, drawn, "innerMorph")]

    def _many(self, name: str, piece: Many) -> list[str]:
        before = self._entries.get(name)
        after: dict[str, str] = {}
        changed = []
        for key, value in piece.entries.items():
            if before is not None and key in before and _same(self._values.get(key), value):
                after[key] = before[key]
                continue
            self._values[key] = value
            after[key] = self._ahead[key][1] if self._is_ahead(key, value) else self._draw(piece.template, value)
            if before is None or after[key] != before.get(key):
                changed.append(key)
        if before is not None and list(before) == list(after) and (after or name in self._drawn):
            self._entries[name] = after
            return [_partial(key, after[key], "outerMorph") for key in changed]
        for key in (before or {}).keys() - after.keys():
            self._values.pop(key, None)
        self._entries[name] = after
        self._drawn.pop(name, None)
        if not after:
            self._drawn[name] = self._draw(piece.empty, None)
        return [_partial(name, self.section(name), "innerMorph")]


def _same(before: object, after: object) -> bool:
    return before is after or before == after


def _partial(target: str, html: str, swap: str) -> str:
    return f'<hx-partial hx-target="#{target}" hx-swap="{swap}">{html}</hx-partial>'
