"""`PROJECT[/SERVICE[/REPLICA]]` as people write it. Pure."""

from typing import NamedTuple

from protocol.names import PROJECT, SERVICE, is_legal
from ropeteam.fault import Exit, Fault


class Target(NamedTuple):
    """What is meant; "" and 0 = all."""

    project: str
    service: str = ""
    replica: int = 0


def parse_target(text: str, *, service: bool = False) -> Target:
    """Read it. `service`: it must name one. Raises Fault."""
    project, *rest = text.split("/")
    name = rest[0] if rest else ""
    number = rest[1] if len(rest) > 1 else ""
    legal = is_legal(PROJECT, project) and (not rest or is_legal(SERVICE, name)) and len(rest) <= 2
    legal = legal and (len(rest) < 2 or (number.isascii() and number.isdigit() and 0 < int(number[:9]) < 10**6))
    if not legal or (service and not name):
        form = "PROJECT/SERVICE[/REPLICA]" if service else "PROJECT[/SERVICE[/REPLICA]]"
        raise Fault(f"{text!r} is not {form}", "For example shop/web/1; rope ps shows the replicas.", Exit.USAGE)
    return Target(project, name, int(number) if number else 0)
