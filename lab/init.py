"""PID 1 of a host: prepares the host's own view of the machine, then reaps orphans for ever.

Run by path (`python -I -S init.py NAME BOOT_ID_FILE ETC READY_FILE`) inside fresh UTS, mount and PID namespaces, by
`lab.hosts`. Standard library only. Starts no engine: engines and agents enter later, and die with this process.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys


def main() -> None:
    """Name the host, give it a boot id, an own /etc and an empty /run, say "ready" by touching READY_FILE."""
    name, boot_id, etc, ready = sys.argv[1:]
    socket.sethostname(name)
    # A new boot id per power-on, as a real machine has; the kernel's own is one for all namespaces.
    subprocess.run(["mount", "--bind", boot_id, "/proc/sys/kernel/random/boot_id"], check=True)
    # Docker 20.10 keeps the engine's id in /etc/docker: with one /etc for all, every host would be the same engine.
    upper, work = pathlib.Path(etc, "upper"), pathlib.Path(etc, "work")
    upper.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    options = f"lowerdir=/etc,upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", "/etc"], check=True)
    if not (upper / "docker").exists():
        shutil.rmtree("/etc/docker", ignore_errors=True)
        os.mkdir("/etc/docker")
    # Nothing answers names in a lab. One that refuses at once, or each look-up of a registry takes the engine seconds.
    resolver = pathlib.Path("/etc/resolv.conf")
    resolver.unlink(missing_ok=True)  # often a link into /run, which is empty from now on
    resolver.write_text("nameserver 127.0.0.1\n")
    # Hides a containerd of the machine, which this host's engine would otherwise use: its containers would then live
    # outside this PID namespace and survive a power loss. Also empties /run, as a boot does.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    pathlib.Path(ready).touch()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.sigtimedwait([signal.SIGCHLD], 3600)


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
if __name__ == "__main__":
    main()
