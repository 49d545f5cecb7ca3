"""Who this agent is: its key, its node's name, its cluster and the Center's identity key, in `identity.json` (0600).

Written before the registration with the key alone, so that a lost answer is asked for again with the same key. Does not
register: `register` does.
"""

from pathlib import Path

import msgspec

from nodeagent.disk import replace_file
from nodeagent.keys import AgentKey
from protocol.messages import Admitted

FILE = "identity.json"


class IdentityError(Exception):
    """The identity cannot be read; the text says what to do."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """`seed`: the private key, in hex. The rest is empty until the Center has answered."""

    seed: str
    agent_id: str = ""
    node: str = ""
    cluster: str = ""
    center_key: str = ""
    center_url: str = ""
    session_path: str = ""
    admitted: str = ""
    """The Center's signature over the registration, "" where an older agent did not keep it …"""
    address: str = ""
    """… and the address that was registered: for a Center restored from a backup that is older."""

    @property
    def registered(self) -> bool:
        """True once the Center knows this agent."""
        return self.agent_id != ""

    @property
    def admission(self) -> Admitted | None:
        """What shows a Center that does not know this agent that it was registered; None where that was not kept."""
        if not self.admitted:
            return None
        name, address = self.node, self.address
        return Admitted(name=name, address=address, public_key=self.key.public, signature=self.admitted)

    @property
    def key(self) -> AgentKey:
        """The private key, ready to sign."""
        return AgentKey(self.seed)


def load_identity(folder: Path) -> Identity | None:
    """The identity kept in `folder`, None when there is none. Raises IdentityError when it is damaged."""
    path = folder / FILE
    try:
        identity = msgspec.json.decode(path.read_bytes(), type=Identity)
        AgentKey(identity.seed)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IdentityError(
            f"cannot read {path}: {error}. Put it back from a copy, or remove it and join again with a new token."
        ) from error
    return identity


def save_identity(folder: Path, identity: Identity) -> None:
    """Keep it. Raises OSError."""
    replace_file(folder / FILE, msgspec.json.encode(identity))
