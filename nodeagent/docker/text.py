"""Makes text that comes from containers and registries fit for events, pages and terminals. Pure.

Such text is hostile (DESIGN §8): it may carry terminal escapes, right-to-left overrides and lines without end.
"""

import re

TEXT_MAX = 500
"""Characters kept of one error, health output or log line."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_BREAKS = re.compile(r"[\t\r\n\x0b\x0c\u0085\u2028\u2029]+")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def clean(text: str, text_max: int = TEXT_MAX) -> str:
    """One printable line of at most `text_max` characters: terminal escapes dropped, breaks and tabs become a space,
    other control and direction characters become U+FFFD.
    """
    # Escapes may double the length; cutting before the expressions run bounds their work.
    text = _ESCAPES.sub("", text[: text_max * 8])
    return _FORBIDDEN.sub("\ufffd", _BREAKS.sub(" ", text).strip(" "))[:text_max]
