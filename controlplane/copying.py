"""`python -m controlplane backup | restore`: on the Center's machine, whether the Center runs or is lost.

Called by `__main__`; `rope backup --data` and `rope restore` start it. The work is `store.backup`'s and `.restoring`'s.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from controlplane.store.backup import Manifest, file_name, write_backup
from controlplane.store.restoring import read_manifest, restore_backup
from controlplane.store.store import StoreError

COMMANDS = ("backup", "restore")


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Do it. Returns the exit code: 0 done, 1 refused or failed, 2 asked wrongly."""
    given = _parser(environment).parse_args(arguments)
    if not given.data and not (given.command == "restore" and given.show):
        sys.stderr.write("rope: where are the data? give --data DIR or set ROPE_DATA\n")
        return 2
    try:
        match given.command:
            case "backup":
                _back_up(Path(given.data), given.file)
            case _ if given.show:
                sys.stdout.write(_told(read_manifest(Path(given.file))))
            case _:
                _restore(Path(given.file), Path(given.data))
    except StoreError as error:
        sys.stderr.write(f"rope {given.command}: {error}\n")
        return 1
    return 0


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rope", description="Back up or restore the Center of this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    backup = commands.add_parser("backup", help="write database and keys into one file; the Center may run")
    backup.add_argument("file", nargs="?", default="", help="default: ropeteam-<time>.tar.gz here")
    restore = commands.add_parser("restore", help="unpack a backup into an empty folder")
    restore.add_argument("file")
    restore.add_argument("--show", action="store_true", help="only say what the backup is of")
    for one in (backup, restore):
        one.add_argument("--data", metavar="DIR", default=environment.get("ROPE_DATA", ""), help="[ROPE_DATA]")
    return parser


def _back_up(data: Path, file: str) -> None:
    wall = time.time()  # noqa: TID251 the edge of a process of its own
    target = Path(file or file_name(wall))
    manifest = write_backup(data, target, wall, metadata.version("ropeteam"))
    sys.stdout.write(f"{target}\n")
    sys.stderr.write(_told(manifest))


def _restore(file: Path, data: Path) -> None:
    sys.stdout.write(_told(restore_backup(file, data)))
    sys.stdout.write(
        f"restored into {data}\n"
        f"Now start the Center: rope center --data {data}\n"
        "It adopts what runs and starts, stops and moves nothing for 10 minutes. See the differences with"
        " `rope adoption`, end it with `rope adoption --confirm`.\n"
    )


def _told(manifest: Manifest) -> str:
    taken = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(manifest.taken_at))
    size = sum(part.bytes for part in manifest.files.values())
    return (
        f"cluster {manifest.cluster}, taken {taken} by version {manifest.version}: schema {manifest.schema},"
        f" incarnation {manifest.incarnation}, {size / 1e6:.1f} MB\n"
    )
