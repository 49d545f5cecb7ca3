"""Backup and restore of the Center, and what it adopts after a restore (`docs/backup.md`)."""

import click

from ropeteam.output import Format, note, print_json, print_lines, print_table
from ropeteam.session import client, reads, talks

_SAID = {
    "adopt": "adopt: it is kept",
    "wait": "wait: its node is not back",
    "start": "start: nobody has it",
    "forget": "forget: no longer wanted",
    "stop": "stop: a newer copy is kept",
}


@click.command()
@click.argument("file", default="", metavar="[FILE]")
@click.option("--data", metavar="DIR", default="", help="Of a Center on this machine, also one that does not run.")
@talks
@click.pass_context
def backup(context: click.Context, file: str, data: str) -> None:
    """Save the Center into one file: database and keys, as of this moment.

    Who has the file can speak as this Center and read what environments hold: keep it as you keep a key.
    """
    if data:
        from ropeteam.commands.processes import become

        become("controlplane", ["backup", f"--data={data}", *([file] if file else [])])
    from ropeteam.downloading import download

    saved = download(client(context), "backup", file)
    note(f"{saved.size / 1e6:.1f} MB, readable by you alone. To restore: rope restore {saved.path} --data DIR")
    print_lines([str(saved.path)])


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--data", metavar="DIR", help="An empty folder, or a new one.  [env: ROPE_DATA]")
@click.option("--show", is_flag=True, help="Only say what the backup is of.")
def restore(file: str, data: str | None, show: bool) -> None:
    """Unpack a backup on the Center's new machine. Then start the Center there: it adopts what runs."""
    from ropeteam.commands.processes import become

    become("controlplane", ["restore", file, *([f"--data={data}"] if data else []), *(["--show"] if show else [])])


@click.command()
@click.option("--confirm", is_flag=True, help="End it now: what is shown is done.")
@talks
@reads
@click.pass_context
def adoption(context: click.Context, confirm: bool, form: Format) -> None:
    """After a restore: what the backup knows beside what runs. Nothing is started or stopped before the end."""
    from protocol.adoption import AdoptionView

    asking = client(context)
    found = asking.get("adoption", AdoptionView)
    if confirm:
        asking.send("POST", "adoption/confirm", AdoptionView)
        note(f"Confirmed: the Center acts again. {_counted(found)}")
    match form:
        case "json":
            print_json(found)
        case "name":
            print_lines(d.replica for d in found.differences)
        case "table":
            _show(found, confirmed=confirm)


def _show(found: "object", *, confirmed: bool) -> None:
    from protocol.adoption import AdoptionView

    assert isinstance(found, AdoptionView)
    if found.state == "none":
        note("Nothing is being adopted: the Center was not restored from a backup, or it is over.")
        return
    rows = [(d.replica, _SAID.get(d.action, d.action), d.backup or "-", d.found or "-") for d in found.differences]
    columns = ("REPLICA", "AT THE END", "THE BACKUP KNOWS", "AGENTS HOLD")
    print_table(columns, rows, "No differences: what runs is what the backup knows.")
    if not confirmed:
        away = f"; not back: {', '.join(found.away)}" if found.away else ""
        note(f"{_counted(found)}; {len(found.back)} nodes are back{away}")
        note(f"Nothing is changed for {found.seconds_left:.0f} s more, or until: rope adoption --confirm")


def _counted(found: "object") -> str:
    from protocol.adoption import AdoptionView

    assert isinstance(found, AdoptionView)
    return f"{found.kept} as in the backup, {len(found.differences)} otherwise"
