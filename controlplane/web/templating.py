"""The templates: a Jinja environment for each language, autoescape on, a missing name is an error. Knows no view."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from controlplane.web.card import key_of
from controlplane.web.language import Language
from controlplane.web.overview import TONES
from controlplane.web.trend import height_of

REMEMBERED = 8192
"""Small things drawn, of each language: the replicas of a crowded overview, and some that were."""


def environment(language: Language, asset: Callable[[str], str], own_url: str) -> jinja2.Environment:
    """Templates that speak this language. `asset`: the address of a static file. `own_url`: of the Center."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(files("templates"))),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(language.message, language.messages, newstyle=True)  # type: ignore[attr-defined]  # added by jinja2's i18n extension
    made.globals.update(asset=asset, language=language, own_url=own_url, tone=tone, y=height_of)
    made.globals["_"] = saying(language)
    made.filters.update(
        word=language.word,
        sentence=language.sentence,
        problem=language.problem,
        moment=moment,
        took=took,
        mib=mib,
        key=escaped_key,
        tally=tally,
        drawn=remembering(renderer(made)),
    )
    return made


def saying(language: Language) -> Callable[..., str]:
    """`_` of the templates, with the values of a text's `%(name)s`. i18n's own takes four calls for each text; what
    this one says is escaped like all else.
    """

    def say(text: str, **values: object) -> str:
        found = language.message(text)
        return found % values if values else found

    return say


def tone(state: str, kind: str = "") -> str:
    """The colour of a state's pill; a deployment that runs is under way, not well. `kind`: `deployment` or ""."""
    return "pr" if kind == "deployment" and state == "running" else TONES[state]


def escaped_key(text: str) -> str:
    """`replica-web.x_1` as an id that needs no escape in a selector, as `card.key_of` makes it."""
    kind, _, name = text.partition("-")
    return key_of(kind, name)


def moment(at: float | str) -> Markup:
    """Wall seconds or ISO 8601 as a `<time>`: UTC, put into the browser's zone by `app.js`."""
    when = datetime.fromtimestamp(at, UTC) if isinstance(at, float) else datetime.fromisoformat(at)
    stamp = when.astimezone(UTC).isoformat(sep=" ", timespec="seconds")[:19]
    day, clock = stamp[:10], stamp[11:]
    return Markup(f'<time datetime="{day}T{clock}Z" title="{stamp} UTC">{clock}</time>')  # noqa: S704 - digits only


def tally(found: Iterable[object], attribute: str) -> list[tuple[str, int]]:
    """How many there are of each value of an attribute, by value."""
    return sorted(Counter(getattr(one, attribute) for one in found).items())


def took(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 m 05 s`; "" for None."""
    match seconds:
        case None:
            return ""
        case _ if seconds < 60:
            return f"{seconds:g} s" if seconds < 10 else f"{seconds:.0f} s"
        case _:
            return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s"


def mib(number: int) -> str:
    """Bytes as MiB."""
    return f"{number / 1048576:.1f}"


def renderer(found: jinja2.Environment) -> Callable[[str, object], str]:
    """Draws a partial with `it` = the value, as `Template.render` does, which copies all globals for each."""
    templates: dict[str, tuple[jinja2.Template, dict[str, Any]]] = {}

    def draw(name: str, value: object) -> str:
        if name not in templates:
            made = found.get_template(f"partials/{name}.html")
            templates[name] = made, dict(made.globals)
        template, known = templates[name]
        context = found.context_class(found, {**known, "it": value}, template.name, template.blocks)
        return found.concat(template.root_render_func(context))

    return draw


def remembering(draw: Callable[[str, object], str]) -> Callable[[object, str], Markup]:
    """Draws a partial in a partial, and remembers what it drew last: of a list, most entries are as they were."""
    return lru_cache(REMEMBERED)(lambda value, name: Markup(draw(name, value)))  # noqa: S704 - from autoescaping templates
