"""A person's Compose files -> one self-contained file, its specification and a source map. The client's front door.

Pure: files are read by the function it is given, variables come with the request. Called by the command line.
"""

import msgspec

from composefile.choosing import choose
from composefile.envfiles import Environments
from composefile.errors import ComposeError, Findings, Mark
from composefile.field import Field
from composefile.filling import literal
from composefile.loading import Loader
from composefile.printing import print_tree
from composefile.read import Compose, read_tree
from composefile.sources import Files, ReadFile, Request, Scope, directory_of, joined
from composefile.variables import BadVariable, fill
from composefile.yamltext import TEXT_MAX, Entry, Listing, Mapping, Node, Scalar
from protocol.api import Problem, SourceMap

_COMMAND_LINE = Mark(line=0, column=0, file="command line")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The merged tree, and what was found on the way. `name`: what the files call the project, "" for nothing."""

    root: Mapping | None
    name: str
    findings: Findings


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """A file that can be sent: YAML text, where its lines come from, and what it means."""

    text: str
    sources: SourceMap
    compose: Compose


def load(request: Request, read_file: ReadFile) -> Loaded:
    """Everything of `request` in one tree, services of other profiles left out. Errors are noted, not raised."""
    findings = Findings()
    files = Files(read_file, findings)
    loader = Loader(files, findings)
    at = Field(path="", name="", node=Mapping(entries=(), mark=_COMMAND_LINE), mark=_COMMAND_LINE, findings=findings)
    environment = dict(request.environment)
    directory = directory_of(request.files[0]) if request.files else ""
    env_files = (joined(directory, ".env"),) if request.env_files is None else request.env_files
    own = loader.env_files(env_files, environment, at, required=request.env_files is not None)
    variables = {**own, **environment}
    trees = tuple((path, tree) for path in request.files if (tree := loader.tree(path, at)) is not None)
    name = request.project or variables.get("COMPOSE_PROJECT_NAME", "") or _name(trees, variables)
    if name:
        variables["COMPOSE_PROJECT_NAME"] = name
    scope = Scope(directory=directory, variables=variables)
    root = loader.project(trees, scope)
    if root is not None:
        profiles = request.profiles or tuple(p for p in variables.get("COMPOSE_PROFILES", "").split(",") if p)
        root = choose(root, profiles, request.images, findings, asked=bool(request.profiles))
        root = Environments(scope, files, findings).file(root)
    return Loaded(root=root, name=name, findings=findings)


def resolve(loaded: Loaded, project: str) -> Resolved:
    """The file to send for the project `project`. Raises ComposeError with every error of every step."""
    findings, root = loaded.findings, loaded.root
    if root is None:
        findings.check()
        raise ComposeError([Problem(message="there is no Compose file", fix="Name one with -f.")])
    root = _named(root, project)
    compose = read_tree(root, findings, project=project)
    text, sources = print_tree(_without_foreign(root))
    if len(text.encode()) > TEXT_MAX:
        message = f"{len(text.encode())} bytes once everything is worked out; a file has at most {TEXT_MAX}"
        raise ComposeError([Problem(message=message, fix="Split the project.")], findings.warnings)
    return Resolved(text=text, sources=sources, compose=compose)


def _name(trees: tuple[tuple[str, Mapping], ...], variables: dict[str, str]) -> str:
    """`name:` of the last file that has one, its variables filled in."""
    found = ""
    for _, tree in trees:
        value = next((entry.value for entry in tree.entries if entry.key == "name"), None)
        if isinstance(value, Scalar) and value.kind != "null":
            try:
                found = fill(value.text, variables.get, lambda _: None)
            except BadVariable:
                continue  # noted when the whole file is filled in
    return found


def _named(root: Mapping, project: str) -> Mapping:
    """The tree under the name it is deployed as, in the order people write it."""
    name = Entry(key="name", mark=_COMMAND_LINE, value=literal(project, _COMMAND_LINE))
    own = next((entry for entry in root.entries if entry.key == "name"), name)
    order = ("services", "networks", "volumes")
    rest = [entry for entry in root.entries if entry.key != "name"]
    rest.sort(key=lambda entry: order.index(entry.key) if entry.key in order else len(order))
    return Mapping(entries=(msgspec.structs.replace(own, value=name.value), *rest), mark=root.mark)


def _without_foreign(node: Mapping) -> Mapping:
    """`node` without `x-…` keys of other tools, at any depth but among names that users choose."""
    entries = (
        msgspec.structs.replace(entry, value=_below(entry.value, entry.key))
        for entry in node.entries
        if not entry.key.startswith("x-") or entry.key == "x-rope"
    )
    return msgspec.structs.replace(node, entries=tuple(entries))


_CHOSEN = ("environment", "labels", "annotations", "headers", "args", "sysctls", "services", "networks", "volumes")
"""Mappings whose keys are names, which may begin with `x-`."""


def _below(node: Node, key: str) -> Node:
    match node:
        case Mapping() if key in _CHOSEN:
            entries = (msgspec.structs.replace(e, value=_below(e.value, "")) for e in node.entries)
            return msgspec.structs.replace(node, entries=tuple(entries))
        case Mapping():
            return _without_foreign(node)
        case Listing():
            return msgspec.structs.replace(node, items=tuple(_below(item, key) for item in node.items))
        case Scalar():
            return node
