"""Text from containers made fit for a terminal: colours may stay, nothing else that a terminal obeys. Pure.

What a container writes is hostile (DESIGN §8): it may clear the screen, set titles, answer for the keyboard, or write
from right to left.
"""

import re

_SGR = re.compile(r"\x1b\[[0-9;:]{0,40}m")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?")
RESET = "\x1b[0m"


def plain(text: str, *, colours: bool) -> str:
    """`text` with its escapes dropped, or but for colours; other control characters are written out. Tabs stay, and a
    carriage return at the end goes.
    """
    parts: list[str] = []
    at, coloured = 0, False
    text = text.rstrip("\r")
    for escape in _ESCAPE.finditer(text):
        parts.append(_written(text[at : escape.start()]))
        if colours and _SGR.fullmatch(escape[0]):
            parts.append(escape[0])
            coloured = True
        at = escape.end()
    parts.append(_written(text[at:]))
    return "".join(parts) + (RESET if coloured else "")


def _written(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)
