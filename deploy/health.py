"""Health check of the images: `health.py center|agent` exits with 0 when the process answers, otherwise with 1.

The Center is asked `GET /healthz` where it listens, the agent at the socket in its data folder. Both are answered by
the event loop, so a process that hangs is found. Whether the two reach each other is no question of health here.
Standard library only, nothing of Ropeteam, because it runs every ten seconds. Called by HEALTHCHECK in the Dockerfile.
"""

import http.client
import os
import socket
import sys

TIMEOUT_S = 4.0


def center(listen: str) -> bool:
    """True when the Center that listens at HOST:PORT says that it serves."""
    host, _, port = listen.rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def agent(folder: str) -> bool:
    """True when the agent with this data folder answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(TIMEOUT_S)
        asked.connect(os.path.join(folder, "health.sock"))
        return asked.recv(16) == b"ok\n"


def main(what: str) -> int:
    """The exit code."""
    try:
        if what == "center":
            well = center(os.environ.get("ROPE_LISTEN") or "127.0.0.1:8080")
        else:
            well = agent(os.environ.get("ROPE_DATA") or "/data")
    except (OSError, http.client.HTTPException, ValueError) as error:
        sys.stdout.write(f"{error}\n")  # `docker inspect` shows it
        return 1
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
