"""The languages of the pages: catalogues loaded once, the choice for a request, and words, messages and sentences.

The API and the journal speak English; `sentence` puts what the core says into the reader's language by patterns, and
leaves it in English where none fits. Used by the templates and `visit.py`. Catalogues: `templates/locale/CODE.json`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

DEFAULT = "en"

SENTENCE_MAX = 600
"""Characters; longer text is shown as it is."""
REMEMBERED = 2048
"""Sentences whose translation is kept."""
_DEEP = 4

_HOLE = re.compile(r"\{(?P<name>[a-z_]+)(?::(?P<kind>word|text|sentence|names))?\}")
_KINDS = {
    "": r"\S*?[^\s:;,]",
    "word": "[a-z_]+",
    "text": ".+",
    "sentence": ".+",
    "names": r"[^\s:;,]+(?:, [^\s:;,]+)*(?: and \d+ more)?",
}


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of translations. `tag`: for `<html lang>`. `name`: of the language, in itself.

    `messages`: texts of templates; `words`: states and kinds; `sentences`: patterns of what the core says, with holes:
    `{node}` is a word without spaces, `{state:word}` one of `words`, `{reason:text}` the rest as it is,
    `{reason:sentence}` the rest as a sentence of its own, `{nodes:names}` names with commas between.
    """

    tag: str
    name: str
    messages: dict[str, str] = {}
    words: dict[str, str] = {}
    sentences: dict[str, str] = {}
    problems: dict[str, str] = {}
    """As `sentences`: what is wrong with a Compose file, and how to mend it."""


class _Pattern(NamedTuple):
    expression: re.Pattern[str]
    kinds: Mapping[str, str]
    target: str


class Language:
    """One language."""

    def __init__(self, code: str, catalogue: Catalogue) -> None:
        self.code = code
        self.tag = catalogue.tag
        self.name = catalogue.name
        self._messages = catalogue.messages
        self._words = catalogue.words
        self._patterns = [_pattern(source, target) for source, target in catalogue.sentences.items()]
        self._problems = [_pattern(source, target) for source, target in catalogue.problems.items()]
        self.sentence = lru_cache(REMEMBERED)(self._sentence)
        """What the core says, as far as a pattern fits. Argument: the English text."""
        self.problem = lru_cache(REMEMBERED)(self._problem)
        """What the reader of Compose files says, or else the core, in the same way."""

    def message(self, text: str) -> str:
        """A text of a template; itself when the catalogue has none."""
        return self._messages.get(text, text)

    def messages(self, one: str, many: str, n: int) -> str:
        """As `message`, by number."""
        return self.message(one if n == 1 else many)

    def word(self, word: str) -> str:
        """A state or kind, e.g. `rolled_back` -> "Rolled back"."""
        return self._words.get(word) or word.replace("_", " ").capitalize()

    def _sentence(self, text: str) -> str:
        return self._told(self._patterns, text, 0) if self._patterns and len(text) <= SENTENCE_MAX else text

    def _problem(self, text: str) -> str:
        told = self._told(self._problems, text, 0) if self._problems and len(text) <= SENTENCE_MAX else text
        return told if told != text else self.sentence(text)

    def _told(self, patterns: Sequence[_Pattern], text: str, depth: int) -> str:
        for pattern in patterns:
            found = pattern.expression.fullmatch(text)
            if found is not None:
                holes = {k: self._filled(patterns, v, pattern.kinds[k], depth) for k, v in found.groupdict().items()}
                return pattern.target.format_map(holes)
        if depth < _DEEP and "; " in text:
            return "；".join(self._told(patterns, part, depth + 1) for part in text.split("; "))
        return text

    def _filled(self, patterns: Sequence[_Pattern], text: str, kind: str, depth: int) -> str:
        match kind:
            case "word":
                return self._words.get(text, text)
            case "sentence" if depth < _DEEP:
                return self._told(patterns, text, depth + 1)
            case _:
                return text


def _pattern(source: str, target: str) -> _Pattern:
    kinds = {m["name"]: m["kind"] or "" for m in _HOLE.finditer(source)}
    parts: list[str] = []
    at = 0
    for hole in _HOLE.finditer(source):
        parts += [re.escape(source[at : hole.start()]), f"(?P<{hole['name']}>{_KINDS[hole['kind'] or '']})"]
        at = hole.end()
    parts.append(re.escape(source[at:]))
    return _Pattern(re.compile("".join(parts), re.DOTALL), kinds, target)


def languages() -> dict[str, Language]:
    """All languages by code, the default first."""
    found = {DEFAULT: Language(DEFAULT, Catalogue(tag="en", name="English"))}
    for path in files("templates").joinpath("locale").iterdir():
        code, _, ending = path.name.partition(".")
        if ending == "json":
            found[code] = Language(code, msgspec.json.decode(path.read_bytes(), type=Catalogue))
    return found


def chosen(known: Sequence[str], asked: str, kept: str, accepted: str) -> str:
    """The code to use: `?lang` before the cookie before `Accept-Language`; the first known one otherwise."""
    for code in (asked, kept):
        if code in known:
            return code
    for code in _accepted(accepted):
        if code in known:
            return code
    return known[0]


def _accepted(header: str) -> list[str]:
    """Primary tags of an `Accept-Language` header, best first; those with `q=0` are left out."""
    weighed = []
    for place, item in enumerate(header[:500].split(",")):
        tag, _, parameters = item.partition(";")
        weight = re.search(r"q=([01](?:\.\d{0,3})?)\s*$", parameters)
        weighed.append((-float(weight[1]) if weight else -1.0, place, tag.strip().split("-")[0].lower()))
    return [tag for weight, _, tag in sorted(weighed) if weight < 0]
