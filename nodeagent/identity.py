"""Who this agent is: its key, its node's name, its cluster and the Center's identity key, in `identity.json` (0600).

Written before the registration with the key alone, so that a lost answer is asked for again with the same key. Does not
register: `register` does.
"""

from pathlib import Path

import msgspec

from nodeagent.disk import replace_file
from nodeagent.keys import AgentKey

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

    @property
    def registered(self) -> bool:
        """True once the Center knows this agent."""
        return self.agent_id != ""

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
