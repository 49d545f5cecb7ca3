"""The shape of the code, held by tests: sizes, rings, tests that mirror the tree, words that are not used."""

import ast
import subprocess
import sys
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


ALL = modules(*PACKAGES, "lab", "tests", "benchmarks")


@pytest.mark.parametrize("path", ALL, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_holds_one_noun(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LINES_MAX, f"{path.name} has more than {LINES_MAX} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{path.name}:{node.lineno} {node.name} has {length} lines"


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path} has no docstring"
    assert path.stem not in VAGUE
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


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
