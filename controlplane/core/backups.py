"""Backups in the journal: who took one, and whether those on a schedule are made. What they are is the store's."""

from controlplane.core.command import NoteBackup
from controlplane.core.draft import Draft


def note(draft: Draft, command: NoteBackup) -> None:
    """Write down that a backup was made, or that one could not be made."""
    if command.failed:
        draft.event("alarm", f"no backup was made: {command.failed}")
    elif command.actor:
        draft.event("backup.made", f"{command.actor} took a backup")
    else:
        draft.event("backup.made", f"backup {command.name} was made")
