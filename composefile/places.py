"""Where a key stands in a Compose file: for what the Center finds out about a field after the file was read."""

from composefile.errors import Findings
from composefile.yamltext import Mapping, Node, parse


def place_of(text: str, field: str) -> tuple[int, int]:
    """(line, column) of `services.web.deploy.update_config.order` in a file that can be read; where a part of it is not
    written, of the last part that is; (0, 0) when none is.
    """
    node: Node | None = parse(text, Findings())
    found = (0, 0)
    for part in field.split("."):
        entry = next((e for e in node.entries if e.key == part), None) if isinstance(node, Mapping) else None
        if entry is None:
            break
        found, node = (entry.mark.line, entry.mark.column), entry.value
    return found
