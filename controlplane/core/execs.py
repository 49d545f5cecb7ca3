"""The audit of commands that people run in containers: one line of the journal each, before they run. Pure."""

from controlplane.core.command import NoteExec
from controlplane.core.draft import Draft
from protocol.names import ReplicaId


def note(draft: Draft, command: NoteExec) -> int:
    """Write who runs what where; gives the event's number."""
    return draft.event(
        "exec.started",
        f"{command.actor} runs a command in {command.replica} on {command.node}: {command.command}",
        project=ReplicaId.parse(command.replica).project,
        replica=command.replica,
        node=command.node,
        data={"actor": command.actor, "command": command.command},
    )
