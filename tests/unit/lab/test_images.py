"""Archives of images: the same everywhere, and what `docker load` expects."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab import images, needs


@pytest.fixture
def busybox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "busybox"
    path.write_text("#!/bin/sh\nprintf 'busybox\\nsh\\nhttpd\\n'\n")
    path.chmod(0o755)
    monkeypatch.setattr(needs, "static_busybox", lambda: path)
    return path


def content(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {m.name: file.read() for m in tar if (file := tar.extractfile(m)) is not None}


def test_the_same_images_give_the_same_bytes(tmp_path: Path, busybox: Path) -> None:
    first = images.save(images.all_images(), tmp_path / "a.tar").read_bytes()
    assert images.save(images.all_images(), tmp_path / "b.tar").read_bytes() == first


def test_every_layer_is_there_and_is_the_one_the_configuration_names(tmp_path: Path, busybox: Path) -> None:
    files = content(images.save(images.all_images(), tmp_path / "a.tar"))
    manifest: list[dict[str, Any]] = json.loads(files["manifest.json"])
    assert [entry["RepoTags"][0] for entry in manifest] == [image.reference for image in images.all_images()]
    for entry in manifest:
        config = json.loads(files[entry["Config"]])
        digests = [f"sha256:{hashlib.sha256(files[layer]).hexdigest()}" for layer in entry["Layers"]]
        assert config["rootfs"]["diff_ids"] == digests
    assert len({entry["Config"] for entry in manifest}) == len(manifest)


def test_scripts_are_executable_and_applets_are_links(tmp_path: Path, busybox: Path) -> None:
    files = content(images.save([images.web("7")], tmp_path / "a.tar"))
    base, own = (files[layer] for layer in json.loads(files["manifest.json"])[0]["Layers"])
    with tarfile.open(fileobj=io.BytesIO(base)) as tar:
        assert tar.getmember("bin/sh").linkname == "busybox"
        assert tar.getmember("bin/busybox").mode == 0o755
    with tarfile.open(fileobj=io.BytesIO(own)) as tar:
        assert tar.getmember("bin/web").mode & tar.getmember("www/cgi-bin/index.cgi").mode & 0o111
        version = tar.extractfile("version")
        assert version is not None and version.read() == b"7"
