"""Ropeteam's own images for hosts of the lab, built once per machine from this source tree by `make image`.

The base is a Debian made here with debootstrap, because no public image can be pulled. Base and images are kept below
build/lab, the images under a name made of all that goes into them, so that a second run only loads them. Used by
tests; needs root, and what `scripts/setup.sh test` installs.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import tarfile
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lab.command import LabError, run
from lab.engine import Engine
from lab.host import Host

REPOSITORY = Path(__file__).parent.parent
CACHE = REPOSITORY / "build" / "lab"
BASE = "rope-lab/base:1"
PACKAGES = "python3,python3-venv,ca-certificates,systemd-sysv"
PRODUCT = ("protocol", "composefile", "controlplane", "nodeagent", "ropeteam", "static", "templates")
MAKES = (
    "pyproject.toml",
    "requirements.lock",
    "Makefile",
    "scripts/wheelhouse.sh",
    "deploy/Dockerfile",
    "deploy/health.py",
)
LEFT_OUT = (
    *("var/cache/apt", "var/lib/apt/lists", "var/lib/dpkg/info", "var/log"),
    *("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/zoneinfo", "usr/share/perl5"),
    *("usr/lib/x86_64-linux-gnu/perl-base", "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/python3.11/test"),
)
"""Of the base: what no container of ours reads. Each file costs time whenever a host is made or goes."""
TARGETS = {"agent": "", "center": "-center", "cli": "-cli"}
BUILD_S = 600.0


class ProductImages(msgspec.Struct, frozen=True, kw_only=True):
    """References of one build, and the archive that holds all three (`Host.load_image`)."""

    agent: str
    center: str
    cli: str
    archive: Path


def product_images(builder: Host, name: str = "ropeteam", version: str = "lab") -> ProductImages:
    """The images of this source tree, built with the engine of `builder` unless that was done before.

    References are `<name>:<version>`, `…-center` and `…-cli`. Raises LabError when they cannot be built.
    """
    references = {target: f"{name}:{version}{suffix}" for target, suffix in TARGETS.items()}
    with _alone():
        base = _base()
        archive = CACHE / f"{_key(base, references)}.tar"
        if not archive.exists():
            _build(builder, base, name, version)
            _save(builder.engine, list(references.values()), archive)
    return ProductImages(**references, archive=archive)


def bare_system(builder: Host, wheels: Path) -> str:
    """The base on `builder`, with systemd; gives its reference. What it takes to install Ropeteam there is put into the
    new folder `wheels`. Raises LabError.
    """
    with _alone():
        _import(builder.engine, _base())
        _run(builder, ["sh", "scripts/wheelhouse.sh", BASE])
        shutil.copytree(REPOSITORY / "build" / "wheelhouse", wheels)
    return BASE


def _build(builder: Host, base: Path, name: str, version: str) -> None:
    """As an operator does it, but for the base."""
    _import(builder.engine, base)
    argv = ["make", "--no-print-directory", "image", f"BASE={BASE}", f"IMAGE={name}", f"VERSION={version}"]
    _run(builder, argv)


def _run(builder: Host, argv: list[str]) -> None:
    """Run a tool of this source tree with the engine of `builder`."""
    environment = builder.environment({"DOCKER_BUILDKIT": "0", "REVISION": "lab"})
    done = subprocess.run(
        argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def _base() -> Path:
    """A small Debian with Python, as a tar without what only a package manager needs."""
    mirror, suite = _mirror()
    key = hashlib.sha256(f"{suite} {PACKAGES} {LEFT_OUT}".encode()).hexdigest()[:12]
    archive = CACHE / f"base-{key}.tar"
    if archive.exists():
        return archive
    root = CACHE / "base"
    shutil.rmtree(root, ignore_errors=True)
    done = subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(root), mirror],
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"debootstrap failed:\n{done.stdout[-3000:]}\n{done.stderr[-1000:]}")

    def keep(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        # Device files are the engine's business.
        return None if entry.name.startswith(LEFT_OUT) or entry.ischr() or entry.isblk() else entry

    unfinished = archive.with_suffix(".part")
    with tarfile.open(unfinished, "w") as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, path.name, filter=keep)
    shutil.rmtree(root)
    unfinished.replace(archive)
    return archive


def _mirror() -> tuple[str, str]:
    """Where this machine gets its packages from, and its release: nothing is asked of anyone else."""
    lines = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)").splitlines()
    release = run("sed", "-n", "s/^VERSION_CODENAME=//p", "/etc/os-release").strip()
    for line in lines:
        address, suite, component = line.split()
        if suite == release and component == "main":
            return address, suite
    raise LabError(f"apt-get knows no source of {release or 'this release'}")


def _key(base: Path, references: dict[str, str]) -> str:
    whole = hashlib.sha256(f"{base.name} {sorted(references.items())}".encode())
    for path in _sources():
        whole.update(f"\0{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes())
    return f"images-{whole.hexdigest()[:16]}"


def _sources() -> Iterator[Path]:
    for name in MAKES:
        yield REPOSITORY / name
    for package in PRODUCT:
        for path in sorted((REPOSITORY / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _import(engine: Engine, base: Path) -> None:
    repository, tag = BASE.split(":")
    query = urllib.parse.urlencode({"fromSrc": "-", "repo": repository, "tag": tag})
    answer = engine.call("POST", f"/images/create?{query}", raw=base).decode()
    for line in answer.splitlines():
        if "error" in json.loads(line):
            raise LabError(f"the engine does not import the base: {line}")


def _save(engine: Engine, references: list[str], archive: Path) -> None:
    query = urllib.parse.urlencode({"names": references}, doseq=True)
    for former in CACHE.glob("images-*.tar"):
        former.unlink()
    unfinished = archive.with_suffix(".part")
    unfinished.write_bytes(engine.call("GET", f"/images/get?{query}"))
    unfinished.replace(archive)


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time builds; another one waits and finds it done."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
