"""Compose files and image references that somebody broke, by accident or on purpose.

Holds: a specification or a ComposeError that can be shown; an image reference that both sides read alike, or is refused
by its own error; none takes long, and a file that describes gigabytes never becomes them.
"""

import random
import time
from collections import Counter
from collections.abc import Callable

from composefile.errors import ComposeError, render
from composefile.images import fault_in
from composefile.read import read
from nodeagent.core.container import DockerFault
from nodeagent.docker.reference import parse
from tests.fuzz.mutations import Mutator
from tests.unit.composefile.sample import FILE

FILE_S = 2.0
"""CPU seconds for one file. The largest allowed takes some 100 ms, and refusals of large ones a part of it."""

IMAGE_S = 0.05

SCRAPS = (
    b"&a ",
    b"*a",
    b"<<: *defaults\n",
    b"<<: ",
    b"!x ",
    b"!!int ",
    b"!!binary ",
    b"!<a> ",
    b"!reset ",
    b"!override ",
    b"%YAML 1.1\n",
    b"---\n",
    b"...\n",
    b"\t",
    b"\0",
    b"\\x00",
    b'"\\ud800"',
    b'"',
    b"'",
    b"|",
    b"|2-\n",
    b">",
    b"{",
    b"}",
    b"[",
    b"]",
    b": ",
    b"- ",
    b"? ",
    b"#",
    b"$",
    b"${A",
    b"${A:-",
    b"$$",
    b"\n",
    b"\r",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    b"\x1b",
    b"~",
    b"null",
    b"1e999",
    b".nan",
    b"0x1F",
    b"007",
    b"-1",
    b"9" * 30,
    b"true",
    b"99999",
    b"80:",
    b"@",
    b"..",
    b",",
    b"==",
    b"x-rope: ",
    b"    ",
    b"{a: " * 100,
    b"[" * 100,
    b"- " * 100,
    b"? " * 50,
    "北京".encode(),
    b"\xe2\x80\xae",
    b"\xff",
    b"a" * 3000,
    b"replicas: 1000000\n",
    b"services: ",
    b"deploy: ",
)

IMAGES = (
    b"web:1",
    b"registry.example.com:5000/team/web:1.4",
    b"docker.io/library/nginx",
    b"[::1]:5000/a/b",
    b"a__b/c-d.e",
    b"web@sha256:" + b"a" * 64,
    b"localhost/x:latest",
    b"sha256:" + b"b" * 64,
    b"a" * 255,
    b"a/" * 120 + b"a",
)

IMAGE_SCRAPS = (
    b":",
    b"/",
    b"@",
    b".",
    b"..",
    b"-",
    b"_",
    b"__",
    b"A",
    b"\xc3\xa9",
    b" ",
    b"\0",
    b"\n",
    b"%2e",
    b"?",
    b"#",
    b"[",
    b"]",
    b"::",
    b"sha256:",
    b"a" * 500,
    b"1" * 70,
    b"\xe2\x80\xae",
    b"/v2/",
    b"http://",
    b"\xff",
    b"-a" * 200,
    b"a." * 150,
)


def bombs() -> dict[str, str]:
    """Files that are small and mean something huge, or cost much to look at."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    merges = ["b0: &b0 {k: v}"]
    merges += [f"b{n}: &b{n} {{<<: [{', '.join([f'*b{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    many = "".join(f"  s{n}: {{image: a}}\n" for n in range(20_000))
    return {
        "laughs": "\n".join(lines),
        "merges": "\n".join(merges),
        "itself": "a: &a\n  b: *a\nservices: *a\n",
        "flow depth": "services: " + "[" * 100_000,
        "map depth": "services: " + "{a: " * 100_000,
        "block depth": "\n".join(" " * n + "a:" for n in range(1300)),
        "dashes": "services:\n  " + "- " * 100_000,
        "questions": "? " * 50_000,
        "many services": "services:\n" + many,
        "scalar": "services:\n  web:\n    image: " + "a" * 1_000_000,
        "quoted": 'services:\n  web:\n    image: "' + "\\u0041" * 150_000 + '"',
        "folded": "services:\n  web:\n    image: >\n" + "      a\n" * 100_000,
        "comments": "#" + "#" * 1_000_000,
        "blank": "\n" * 1_000_000,
        "spaces": " " * 1_000_000,
        "tabs": "\t" * 500_000,
        "anchors": "services:\n" + "".join(f"  a{n}: &x{n} 1\n" for n in range(9000)),
        "keys": "services: {" + "a, " * 200_000 + "}",
        "same key": "services:\n" + "  a: 1\n" * 50_000,
        "tags": "services: " + "!!str " * 10_000 + "a",
        "long tag": "services: !" + "a" * 900_000 + " x",
        "long key": "? " + "a" * 900_000 + "\n: b",
        "replicas": "services: {web: {image: a, deploy: {replicas: 999999999999999999999999}}}",
        "ports": "services: {web: {image: a, ports: ['1-65535:1-65535', '1-65535:1-65535/udp']}}",
        "port ranges": "services: {web: {image: a, ports: [" + "'1-65535:1-65535'," * 5000 + "]}}",
        "number": "services: {web: {image: a, mem_limit: " + "9" * 500_000 + "}}",
        "float": "services: {web: {image: a, cpus: 1e" + "9" * 5000 + "}}",
        "duration": "services: {web: {image: a, stop_grace_period: " + "9" * 100_000 + "h}}",
        "durations": "services: {web: {image: a, stop_grace_period: " + "1h" * 100_000 + "}}",
        "variables": "services: {web: {image: '" + "${A:-" * 50_000 + "}" * 50_000 + "'}}",
        "dollars": "services: {web: {image: '" + "$" * 500_000 + "'}}",
        "command": "services: {web: {image: a, command: '" + '\\"' * 100_000 + "'}}",
        "circle": "services: {"
        + ", ".join(f"s{n}: {{image: a, depends_on: [s{(n + 1) % 99}]}}" for n in range(99))
        + "}",
        "dependencies": "services: {"
        + ", ".join(f"s{n}: {{image: a, depends_on: [{', '.join(f's{m}' for m in range(n))}]}}" for n in range(99))
        + "}",
        "surrogates": 'services: {web: {image: "\\ud83d\\ude00"}}',
        "bom": "\ufeffservices: {web: {image: a}}",
        "bidi": "services: {web: {image: \u202e\u2066a}}",
    }


def compose_file(text: str) -> str:
    """Read it; what became of it. Raises AssertionError, or what a defect raises."""
    try:
        read(text, project="shop")
    except ComposeError as error:
        assert error.problems, "an error that says nothing"
        shown = render("compose.yaml", error.problems, error.warnings)
        assert all(line.isprintable() for line in shown.split("\n")), "it would steer the terminal"
        assert len(shown) < 1 << 20, f"{len(shown)} characters of errors"
        return "refused"
    return "read"


def image(text: str) -> str:
    """Read it as the Center and as the agent does; what became of it."""
    good = fault_in(text) is None
    try:
        parsed = parse(text)
    except DockerFault as fault:
        assert fault.kind == "refused" and len(str(fault)) < 500
        return "refused"
    assert "\n" not in parsed.name and " " not in parsed.name
    return "read" if good else "refused by the Center"


def timed(judge: Callable[[str], str], text: str, most_s: float) -> str:
    """The judge's word, within so many CPU seconds."""
    begun = time.thread_time()
    try:
        return judge(text)
    except Exception as error:
        error.add_note(f"of {text[:3000]!r}")
        raise
    finally:
        took_s = time.thread_time() - begun
        assert took_s < most_s, f"{took_s:.2f} s for {text[:1000]!r}"


def fuzz_files(seed: int, count: int) -> Counter[str]:
    """So many mutants of the sample file."""
    mutator, outcomes = Mutator(random.Random(seed), SCRAPS), Counter[str]()
    for _ in range(count):
        outcomes[timed(compose_file, mutator.mutant(FILE.encode()).decode(errors="replace"), FILE_S)] += 1
    return outcomes


def fuzz_images(seed: int, count: int) -> Counter[str]:
    """So many mutants of image references."""
    chance = random.Random(seed)
    mutator, outcomes = Mutator(chance, IMAGE_SCRAPS), Counter[str]()
    for _ in range(count):
        mutant = mutator.mutant(chance.choice(IMAGES)).decode(errors="replace")
        outcomes[timed(image, mutant, IMAGE_S)] += 1
    return outcomes
