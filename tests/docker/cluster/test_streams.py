"""Logs and exec on real engines: nothing is lost at 1,000 lines/s, heartbeats stay on time, a lost host's lines remain.

`ROPE_LOGS_S` says for how long the many lines are followed; 15 s unless told otherwise.
"""

import fcntl
import itertools
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.machines import REPOSITORY
from tests.docker.cluster.cluster import WEB, Cluster
from tests.docker.cluster.conftest import Record

LOGS_S = float(os.environ.get("ROPE_LOGS_S", "15"))
REPLICAS = 20
PER_S = 1000
P99_MS = 100.0
WAIT_S = 20.0
THIN_S = 10.0


def script(text: str, burst: int, pause_us: int) -> str:
    """awk that writes numbered lines, `burst` of them at a time."""
    pause = f'if (i % {burst} == 0) {{ fflush(); system("usleep {pause_us}") }}'
    return f'BEGIN {{ for (i = 1; ; i++) {{ printf "line %d of {text}\\n", i; {pause} }} }}'


WRITES = script("many", 10, 175_000)
FLOODS = script("a flood", 100, 50_000)


def rope(cluster: Cluster, *arguments: str) -> list[str]:
    """A command line of the product."""
    return [sys.executable, "-m", "ropeteam", *arguments]


def environment(cluster: Cluster) -> dict[str, str]:
    return {**os.environ, "ROPE_URL": cluster.url, "ROPE_TOKEN": cluster.token, "ROPE_CONFIG": "/nonexistent"}


@contextmanager
def going_on(cluster: Cluster, out: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that writes into a file until the context ends."""
    with out.open("wb") as file:
        child = subprocess.Popen(
            rope(cluster, *arguments), stdout=file, stderr=subprocess.DEVNULL, env=environment(cluster), cwd=REPOSITORY
        )
        try:
            yield child
        finally:
            child.terminate()
            child.wait(10)


def run(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    return subprocess.run(
        rope(cluster, *arguments),
        capture_output=True, text=True, timeout=60, env=environment(cluster), cwd=REPOSITORY, check=False,
    )  # fmt: skip


def writer(replicas: int, script: str, where: str) -> dict[str, object]:
    """A service that writes numbered lines, on the nodes with this label."""
    return {
        "image": WEB,
        "command": ["awk", script],
        "init": True,
        "stop_grace_period": "1s",
        "deploy": {"replicas": replicas, "placement": {"constraints": [f"node.labels.logs == {where}"]}},
    }


def label(cluster: Cluster, where: str, *numbers: int) -> None:
    for number in numbers:
        cluster.api.patch_node(cluster.nodes[number].name, labels={"logs": where})


def numbers_of(lines: list[dict[str, object]]) -> dict[str, list[int]]:
    """By replica, the numbers in its lines."""
    found: dict[str, list[int]] = defaultdict(list)
    for line in lines:
        found[f"{line['service']}/{line['replica']}"].append(int(str(line["text"]).split()[1]))
    return found


def test_a_thousand_lines_a_second_are_followed_without_loss(cluster: Cluster, record: Record, tmp_path: Path) -> None:
    label(cluster, "many", 0, 1, 2)
    cluster.deploy("many", {"w": writer(REPLICAS, WRITES, "many")})
    nodes = {r.node for r in cluster.replicas("many").values()}
    assert len(nodes) == 3
    after = cluster.api.last_event()
    lines_file, top_file = tmp_path / "lines", tmp_path / "top"
    with (
        going_on(cluster, lines_file, "logs", "-f", "many", "-n", "0", "-o", "json"),
        going_on(cluster, top_file, "top", "--every", "1s", "-o", "json"),
    ):
        time.sleep(LOGS_S + 4)
    lines = [json.loads(text) for text in lines_file.read_text().splitlines(keepends=True) if text.endswith("\n")]
    numbers = numbers_of(lines)
    assert len(numbers) == REPLICAS
    lost = {name: found for name, found in numbers.items() if found != list(range(found[0], found[0] + len(found)))}
    assert not lost, {name: (found[0], len(found), found[-1]) for name, found in lost.items()}
    assert len(lines) >= 0.9 * PER_S * LOGS_S, f"{len(lines)} lines in {LOGS_S} s"
    delays = heartbeat_delays(top_file, nodes)
    worst = delays[min(len(delays) - 1, int(len(delays) * 0.99))]
    median = delays[len(delays) // 2]
    told = f"{len(delays)} heartbeats answered: median {median} ms, p99 {worst} ms"
    print(f"\n{len(lines)} lines in about {LOGS_S:.0f} s; {told}")
    record(f"{PER_S} lines/s of {REPLICAS} replicas followed for {LOGS_S:.0f} s", "heartbeat p99", worst / 1000)
    assert worst < P99_MS
    assert not cluster.story(after, "node.suspect")
    ordered = sum(a["at"] <= b["at"] for a, b in itertools.pairwise(lines))
    assert ordered > 0.99 * (len(lines) - 1), "merged in time order"


def heartbeat_delays(file: Path, nodes: set[str | None]) -> list[float]:
    """How long answers to heartbeats took, sorted, ms; each heartbeat once."""
    seen: dict[tuple[str, int], float] = {}
    for text in file.read_text().splitlines():
        try:
            usage = json.loads(text)
        except ValueError:
            continue  # the last line may be torn
        for node in usage["nodes"]:
            if node["node"] in nodes and node["answer_ms"]:
                seen[node["node"], node["beat"]] = node["answer_ms"]
    assert len(seen) >= LOGS_S / 6 * len(nodes), f"heartbeats were seen: {seen}"
    return sorted(seen.values())


def test_following_a_flood_over_a_thin_line_makes_nobody_suspect(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.nodes[3]
    label(cluster, "thin", 3)
    cluster.deploy("flood", {"w": writer(2, FLOODS, "thin")})
    after = cluster.api.last_event()
    node.host.call(
        "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "64kbit", "burst", "4kb", "latency", "400ms"
    )
    try:
        with going_on(cluster, tmp_path / "lines", "logs", "-f", "flood", "-n", "10", "-o", "json"):
            time.sleep(THIN_S)
    finally:
        node.host.call("tc", "qdisc", "del", "dev", "eth0", "root")
    lines = (tmp_path / "lines").read_bytes().splitlines()
    assert len(lines) > 200, "lines came all the while"
    assert not cluster.story(after, "node."), [e.text for e in cluster.story(after, "node.")]


def test_an_interactive_shell_has_a_terminal_its_size_and_its_exit_code(cluster: Cluster) -> None:
    label(cluster, "shell", 0)
    cluster.deploy("shell", {"w": writer(1, WRITES, "shell")})
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 43, 132, 0, 0))
    child = subprocess.Popen(
        rope(cluster, "exec", "-it", "shell/w/1", "--", "sh"),
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=REPOSITORY, start_new_session=True,
        env={k: v for k, v in environment(cluster).items() if k not in ("LINES", "COLUMNS")},
    )  # fmt: skip
    os.close(theirs)
    try:
        shell = _Terminal(ours)
        shell.until("# ")
        shell.type("echo $((6*7)) $(stty size)\n")
        shell.until("42 43 132")
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 70, 0, 0))
        child.send_signal(28)  # SIGWINCH: this terminal has no foreground group of its own
        time.sleep(0.5)
        shell.type("stty size\n")
        shell.until("20 70")
        shell.type("sleep 100\n")
        time.sleep(0.5)
        shell.type("\x03")
        shell.until("# ")
        shell.type("exit 5\n")
        assert child.wait(WAIT_S) == 5
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    plain = run(cluster, "exec", "shell/w", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (plain.returncode, plain.stdout, plain.stderr) == (3, "out\n", "err\n")
    texts = [e.text for e in cluster.story(0, "exec.started")]
    assert any(text.startswith("admin runs a command in shell/w/1 on ") and text.endswith(": sh") for text in texts)


def test_logs_of_a_replica_whose_host_lost_power_are_readable(cluster: Cluster, record: Record) -> None:
    label(cluster, "dark", 1)
    cluster.deploy("dark", {"w": writer(1, WRITES, "dark")})
    node = cluster.nodes[1]
    time.sleep(10)
    newest = int(run(cluster, "logs", "dark/w/1", "-n", "1", "-o", "json").stdout.rpartition("line ")[2].split()[0])
    node.host.power_off()
    cluster.until(lambda: cluster.api.nodes()[node.name].connected is False, 30.0, "its session is over")
    ended = run(cluster, "logs", "dark/w/1", "-o", "json")
    assert ended.returncode == 0, ended.stderr
    assert f"{node.name} is away" in ended.stderr
    numbers = numbers_of([json.loads(text) for text in ended.stdout.splitlines()])["w/1"]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) >= 50
    behind = newest - numbers[-1]
    record("Logs of a replica whose host lost power", "lines that were lost, as seconds", max(0.0, behind / 50))
    assert behind < 15 * 60, "at most some ten seconds of lines are gone"


class _Terminal:
    """Our end of a terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._seen = ""

    def type(self, text: str) -> None:
        """Press these keys."""
        self._seen = ""
        os.write(self._fd, text.encode())

    def until(self, text: str) -> None:
        """Wait until this is on the screen."""
        deadline = time.monotonic() + WAIT_S
        while text not in self._seen:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self._seen!r}"
            if select.select([self._fd], [], [], 0.2)[0]:
                self._seen += os.read(self._fd, 4096).decode(errors="replace")
