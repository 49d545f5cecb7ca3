"""Ports that something listens on."""

import socket

from nodeagent.listening import BELOW_MIN, PORTS_MAX, bound_ports, listening_ports, report

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   2: 0100007F:9999 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 1 1
   3: 0100007F:0051 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
"""
UDP6 = """  sl  local_address                         remote_address                        st tx_queue
   1: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 00
   2: 00000000000000000000000000000000:14EA 00000000000000000000000001000000:0035 01 00000000:00000000 00
   3: 00000000000000000000000000000000:14EB 00000000000000000000000000000000:0000 07 00000000:00000000 00
   4: cut
"""


def test_listeners_are_read_up_to_the_first_connection() -> None:
    assert bound_ports(TCP.splitlines(), "0A") == {20001, 80}


def test_udp_sockets_without_a_peer_listen() -> None:
    assert bound_ports(UDP6.splitlines(), "07") == {5353, 5355}


def test_an_empty_table_has_none() -> None:
    assert bound_ports([], "0A") == set()


def test_a_report_is_sorted_and_leaves_out_what_is_above_the_range() -> None:
    assert report({30000, 22, 20005, 20001, 40000, 0}, 20000, 29999) == (22, 20001, 20005)


def test_a_full_report_keeps_places_for_both() -> None:
    everything = report(range(1, 65536), 20000, 29999)
    assert len(everything) == PORTS_MAX
    assert everything == tuple(sorted(everything))
    assert sum(p < 20000 for p in everything) == BELOW_MIN
    assert len(report(range(1, 20000), 20000, 29999)) == PORTS_MAX
    assert len(report(range(20000, 30000), 20000, 29999)) == PORTS_MAX


def test_a_real_listener_is_seen() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert port in listening_ports(port, port)
    assert port not in listening_ports(port, port)
