"""The shape of the code, held by tests: sizes, rings, tests that mirror the tree, words that are not used."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("protocol", "composefile", "controlplane", "nodeagent", "ropeteam")
LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE = {"manager", "utils", "util", "helper", "helpers", "base", "common", "misc"}


def modules(*folders: str) -> list[Path]:
    """Every Python file below these folders."""
    return sorted(p for f in folders for p in (ROOT / f).rglob("*.py") if "vendor" not in p.parts)


FOLDERS = (*PACKAGES, "lab", "tests", "benchmarks")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_module_holds_one_noun(folder: str) -> None:
    wrong = [fault for path in modules(folder) for fault in _too_long(path)]
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_module_says_what_it_is(package: str) -> None:
    wrong = [fault for path in modules(package) for fault in _unsaid(path)]
    assert wrong == []


def _too_long(path: Path) -> Iterator[str]:
    text = path.read_text()
    if text.count("\n") > LINES_MAX:
        yield f"{path} has more than {LINES_MAX} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{path}:{node.lineno} {node.name} has {length} lines"


def _unsaid(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    if not ast.get_docstring(tree):
        yield f"{path} has no docstring"
    if path.stem in VAGUE:
        yield f"{path} says nothing by its name"
    defined = [n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in defined:
        if not (node.name.startswith("_") or ast.get_docstring(node)):
            yield f"{path}: {node.name} has no docstring"


def test_imports_flow_one_way() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stdout[-3000:]


def test_docker_is_driven_in_one_place() -> None:
    users = [p for p in modules(*PACKAGES) if "import aiodocker" in p.read_text() or "from aiodocker" in p.read_text()]
    assert users and all("docker" in p.relative_to(ROOT / "nodeagent").parts[0] for p in users), users


def test_no_shell_anywhere() -> None:
    for path in modules(*PACKAGES):
        text = path.read_text()
        assert "shell=True" not in text and "os.system(" not in text, path
