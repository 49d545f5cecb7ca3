"""`python -m lab`: the demo, and a lab for hand use. `make help` names the demo's commands."""

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path

from lab import demo, images, story
from lab.command import LabError
from lab.hosts import Lab

FOLDER = Path("/var/lib/rope-lab")
NAME, NETWORK = "labhand", "10.77.20"
"""Apart from the labs of tests and of the demo, so that all can be up at once."""


def main() -> int:
    """Run one command; 0 = done, 2 = it cannot be done here and why is on stderr."""
    asked = _parser().parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # our lines and those of `rope` stay in order in a pipe too
    for name in [name for name in os.environ if name.startswith("ROPE_")]:
        del os.environ[name]  # settings of a Ropeteam of your own must not reach the demo's
    try:
        return _run(asked)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(asked: argparse.Namespace) -> int:
    match asked.command:
        case "demo-up":
            demo.up(yes=asked.yes)
        case "demo-failover":
            story.failover()
        case "demo-return":
            story.come_back()
        case "demo-down":
            demo.down()
        case "up":
            _up(asked.folder, asked.count)
        case "down":
            Lab.open(asked.folder).down()
        case "power-off":
            Lab.open(asked.folder).host(asked.host).power_off()
        case "power-on":
            Lab.open(asked.folder).host(asked.host).power_on()
        case "cut":
            Lab.open(asked.folder).host(asked.host).cut()
        case "mend":
            Lab.open(asked.folder).host(asked.host).mend()
        case "run":
            host = Lab.open(asked.folder).host(asked.host)
            return subprocess.run(host.enter(asked.argv), env=host.environment(), check=False).returncode
    return 0


def _up(folder: Path, count: int) -> None:
    lab = Lab(folder, name=NAME, network=NETWORK)
    for host in lab.up(count):
        print(f"{host.name}  {host.address}  DOCKER_HOST={host.docker_url}")
    lab.load_image(images.save(images.all_images(), folder / "images.tar"))
    print(f"images: {', '.join(image.reference for image in images.all_images())}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the lab is (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("demo-up", help="a Center and three machines with a sample project")
    up.add_argument("-y", "--yes", action="store_true", help="do not ask")
    commands.add_parser("demo-failover", help="cut the power of one machine and watch")
    commands.add_parser("demo-return", help="give it its power back")
    commands.add_parser("demo-down", help="leave nothing behind")
    commands.add_parser("up", help="N hosts for hand use").add_argument("count", type=int)
    commands.add_parser("down", help="remove them")
    for name in ("power-off", "power-on", "cut", "mend"):
        commands.add_parser(name, help=f"{name} one host").add_argument("host")
    run = commands.add_parser("run", help="run a program inside a host")
    run.add_argument("host")
    run.add_argument("argv", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
