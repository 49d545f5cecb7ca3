"""Lists and maps of strings: command lines, environment, labels. Compose's rules of turning values into strings.

Called by `service`, `health` and `placement`.
"""

import math
import re
import shlex
from collections.abc import Callable
from decimal import Decimal

import msgspec

from composefile.errors import printable, quoted
from composefile.field import Field
from composefile.yamltext import Scalar
from protocol import names

LABEL_NAME_MAX = 255
"""Characters in the name of a container label."""


def read_words(field: Field) -> tuple[str, ...]:
    """A command line: text is split as a POSIX shell would, a list is taken as it is (numbers as written)."""
    if not field.is_scalar:
        return read_list(field)
    text = field.text()
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise field.fault(f"cannot be split into words: {error}", "Close the quote, or write a list.") from error


def read_list(field: Field) -> tuple[str, ...]:
    """A list of single values, as written."""
    return tuple(item.collect(Field.written, "") for item in field.items())


def read_strings(field: Field) -> tuple[str, ...]:
    """One text or a list of texts."""
    return (field.text(),) if field.is_scalar else read_list(field)


def read_environment(field: Field) -> dict[str, str]:
    """`environment:` as map or list. A name without a value would come from a shell, which the Center has not."""

    def missing(pair: Field) -> str:
        message = f"{printable(pair.name)} has no value; the Center has no shell environment to take it from"
        raise pair.fault(message, f"Write {printable(pair.name)}: VALUE.")

    found: dict[str, str] = {}
    for pair, name, value in read_pairs(field, missing):
        if not names.is_legal(names.ENV_KEY, name):
            pair.error(f"{quoted(name)} is no name of a variable", "Use letters, digits and _ . - (at most 128).")
        elif name in found:
            pair.error(f"{quoted(name)} is given twice", "Keep one of them.")
        else:
            found[name] = value
    return found


def read_labels(field: Field) -> dict[str, str]:
    """`labels:` as map or list; a name without a value is empty, as in Compose."""
    found: dict[str, str] = {}
    for pair, name, value in read_pairs(field, lambda _: ""):
        if name.startswith(names.LABEL_PREFIX):
            pair.error(f'labels under "{names.LABEL_PREFIX}" are ours', "Choose another name.")
        elif not 0 < len(name) <= LABEL_NAME_MAX or not name.isprintable():
            pair.error("a label needs a printable name", f"Use 1 to {LABEL_NAME_MAX} characters.")
        elif name in found:
            pair.error(f"{quoted(name)} is given twice", "Keep one of them.")
        else:
            found[name] = value
    return found


def read_pairs(field: Field, missing: Callable[[Field], str]) -> list[tuple[Field, str, str]]:
    """(place, name, value) of a map, or of a list of `NAME=value`."""
    found: list[tuple[Field, str, str]] = []
    if field.is_map:
        for pair in field.pairs():
            value = pair.collect(missing if pair.is_null else read_value, None)
            if value is not None:
                found.append((pair, pair.name, value))
        return found
    for item in field.items():
        text = item.collect(Field.text, None)
        if text is None:
            continue
        name, equals, value = text.partition("=")
        named = msgspec.structs.replace(item, name=name)
        written = value if equals else named.collect(missing, None)
        if written is not None:
            found.append((named, name, written))
    return found


def read_value(field: Field) -> str:
    """A single value as the string Compose makes of it: 1.10 -> "1.1", True -> "true", with a warning when it differs.

    A number with leading zeros is refused: YAML 1.1 readers take it as octal.
    """
    scalar = field.scalar()
    text = _converted(field, scalar)
    if text != scalar.text:
        field.warn(f'{scalar.text} becomes "{text}", as in Compose', f'Quote it ("{scalar.text}") to keep it as it is.')
    return text


def _converted(field: Field, scalar: Scalar) -> str:
    text = scalar.text
    match scalar.kind:
        case "null":
            return field.written()
        case "bool":
            return text.lower()
        case "int" if len(text) <= 18:
            if re.fullmatch(r"[-+]?0[0-9]+", text):
                raise field.fault(f"{text} may be read as octal", f'Quote it: "{text}".')
            base = {"0x": 16, "0o": 8}.get(text[:2], 10)
            return str(int(text, base))
        case "float":
            return _go_float(field, text)
        case _:
            return text


def _go_float(field: Field, text: str) -> str:
    """As Go prints a float64: the shortest digits that read back, an exponent below 1e-4 and from 1e21 on."""
    if "n" in text.lower() or not math.isfinite(float(text)):
        raise field.fault(f"{printable(text)} is not a finite number", f'Quote it: "{printable(text)}".')
    exact = Decimal(repr(float(text)))
    if exact and not -4 <= exact.adjusted() < 21:
        digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0")
        fraction = "." + digits[1:] if digits[1:] else ""
        return f"{'-' if exact < 0 else ''}{digits[0]}{fraction}e{exact.adjusted():+03d}"
    plain = format(exact, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
