"""A real image registry on the lab's bridge, for tests of tags, digests and pulls.

Runs Debian's `docker-registry` outside the hosts, on the bridge's address, where every engine trusts it without TLS.
"""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request

from lab import process
from lab.command import LabError
from lab.host import Host
from lab.hosts import Lab

PORT = 5000

CONFIG = """version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {folder}/blobs}}
  delete: {{enabled: true}}
http: {{addr: "{address}"}}
"""


class Registry:
    """One registry; as a context manager it ends itself. `address`: `10.77.0.1:5000`, also the first part of names."""

    def __init__(self, lab: Lab) -> None:
        self.address = f"{lab.address}:{PORT}"
        self._folder = lab.folder / "registry"
        self._entry: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 10.0) -> None:
        """Start it, or start it again with what it holds, and wait until it answers. Raises LabError when it cannot."""
        if shutil.which("docker-registry") is None:
            raise LabError("no docker-registry here (apt-get install docker-registry)")
        self._folder.mkdir(exist_ok=True)
        config, log = self._folder / "config.yml", self._folder / "log"
        config.write_text(CONFIG.format(folder=self._folder, address=self.address))
        environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
        self._entry = entry = process.start(["docker-registry", "serve", str(config)], log, environment)
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if entry.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"the registry does not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; what it holds stays until the lab goes down. Stopped already is fine."""
        if self._entry is not None:
            self._entry.terminate()
            try:
                self._entry.wait(10)
            except subprocess.TimeoutExpired:
                self._entry.kill()
                self._entry.wait(10)
            self._entry = None

    def push(self, host: Host, image: str, repository: str, tag: str) -> str:
        """Push an image that `host` has as `<address>/<repository>:<tag>`; returns its digest, `sha256:…`."""
        name = f"{self.address}/{repository}"
        host.engine.tag(image, name, tag)
        return host.engine.push(name, tag)

    def __enter__(self) -> "Registry":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/v2/", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
