"""CPU between two samples, memory without the cache."""

import msgspec

from nodeagent.core.container import Usage
from nodeagent.docker.usage import Samples, Stats


def stats(second: float, cpu_s: float, memory: int = 0, **cache: int) -> Stats:
    raw = {
        "read": f"2026-01-02T03:04:{second:09.6f}Z",
        "cpu_stats": {"cpu_usage": {"total_usage": round(cpu_s * 1e9)}, "online_cpus": 2},
        "memory_stats": {"usage": memory, "stats": cache} if memory else {},
    }
    return msgspec.json.decode(msgspec.json.encode(raw), type=Stats)


def test_cpu_is_percent_of_one_core_since_the_last_sample() -> None:
    samples = Samples()
    assert samples.usage("a", stats(1, 100)).cpu_percent == 0.0
    assert samples.usage("a", stats(6, 102.5)).cpu_percent == 50.0
    assert samples.usage("a", stats(8, 106.5)).cpu_percent == 200.0


def test_containers_do_not_mix() -> None:
    samples = Samples()
    samples.usage("a", stats(1, 100))
    assert samples.usage("b", stats(2, 500)).cpu_percent == 0.0


def test_a_restart_or_the_same_sample_again_is_no_use() -> None:
    samples = Samples()
    samples.usage("a", stats(1, 100))
    assert samples.usage("a", stats(1, 100)).cpu_percent == 0.0
    assert samples.usage("a", stats(2, 1)).cpu_percent == 0.0


def test_network_is_bytes_a_second_over_all_interfaces() -> None:
    samples = Samples()

    def traffic(second: float, *counts: tuple[int, int]) -> Stats:
        networks = {f"eth{n}": {"rx_bytes": rx, "tx_bytes": tx} for n, (rx, tx) in enumerate(counts)}
        whole = msgspec.json.decode(msgspec.json.encode(stats(second, 1)))
        return msgspec.json.decode(msgspec.json.encode({**whole, "networks": networks}), type=Stats)

    assert samples.usage("a", traffic(1, (1000, 10), (500, 5))).net_in == 0
    seen = samples.usage("a", traffic(6, (6000, 1010), (1500, 5)))
    assert (seen.net_in, seen.net_out) == (1200, 200)
    assert samples.usage("a", traffic(7, (10, 10))).net_in == 0, "it was started again"


def test_a_forgotten_container_starts_anew() -> None:
    samples = Samples()
    samples.usage("a", stats(1, 100))
    samples.forget("a")
    assert samples.usage("a", stats(2, 200)).cpu_percent == 0.0


def test_memory_is_without_the_page_cache() -> None:
    samples = Samples()
    assert samples.usage("a", stats(1, 0, 1000, inactive_file=300)).memory == 700
    assert samples.usage("b", stats(1, 0, 1000, total_inactive_file=200, inactive_file=300)).memory == 800
    assert samples.usage("c", stats(1, 0, 100, inactive_file=300)).memory == 0


def test_a_stopped_container_uses_nothing() -> None:
    empty = msgspec.json.decode(b'{"read":"0001-01-01T00:00:00Z","memory_stats":{}}', type=Stats)
    assert Samples().usage("a", empty) == Usage(cpu_percent=0.0, memory=0)


def test_samples_do_not_pile_up() -> None:
    samples = Samples()
    for number in range(5000):
        samples.usage(str(number), stats(1, 1))
    assert len(samples._last) <= 2048
