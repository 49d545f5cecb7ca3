"""Messages of the bulk lane: streams of logs and exec, last lines that are kept elsewhere, and how the lane flows.

A stream is opened by the Center under a number that is unique in the session, and ends with `StreamEnd` from either
side or with the session. Its reader gives credit end to end; `Ack` bounds what is on the line (DESIGN §3.7). Sent only
to peers of protocol `STREAMS_SINCE` and newer. How much may be sent when is decided by `flow`.
"""

from protocol.wire import ContainerRef, Wire


class OpenLogs(Wire, frozen=True, kw_only=True):
    """Stream what a container wrote: the last `lines` (-1 = all), of those only what was written at `since_ns` (wall
    nanoseconds) or later, then what it goes on writing when `follow`. `credit`: bytes that may be sent at first.

    The stream's data are lines: `o` (stdout) or `e` (stderr), Docker's time in RFC 3339 with nanoseconds, a space, the
    text, a line feed. Nobody on the way looks into them.
    """

    stream: int
    target: ContainerRef
    follow: bool = False
    lines: int = 100
    since_ns: int = 0
    credit: int = 0


class OpenExec(Wire, frozen=True, kw_only=True):
    """Run a command in a container; its output is the stream, `StreamEnd.code` its exit code."""

    stream: int
    target: ContainerRef
    command: tuple[str, ...]
    tty: bool = False
    stdin: bool = False
    cols: int = 80
    rows: int = 24
    credit: int = 0


class Resize(Wire, frozen=True, kw_only=True):
    """The terminal of an exec has another size."""

    stream: int
    cols: int
    rows: int


class Tail(Wire, frozen=True, kw_only=True, gc=False):
    """The last lines of a container since the last `Tail`, so that they survive the machine (bulk lane). `lines`: as in
    a stream of logs. `ended`: it does not run any more. `ack`: as in `StreamData`.
    """

    target: ContainerRef
    lines: bytes
    ended: bool = False
    ack: bool = False


class StreamData(Wire, frozen=True, kw_only=True, gc=False):
    """Bytes of a stream, within the credit that its reader gave (bulk lane; base64 on the wire).

    `channel`: 1 stdout, 2 stderr, 0 stdin. `eof`: nothing follows on this channel. `ack`: answer with `Ack` at once.
    """

    stream: int
    data: bytes = b""
    channel: int = 1
    eof: bool = False
    ack: bool = False


class StreamCredit(Wire, frozen=True, kw_only=True, gc=False):
    """The reader of a stream took so many bytes: as many more may be sent."""

    stream: int
    credit: int


class StreamEnd(Wire, frozen=True, kw_only=True):
    """The stream is over; after all its data. `reason` "" = as it should. `code`: exit code of an exec."""

    stream: int
    reason: str = ""
    code: int | None = None


class Ack(Wire, frozen=True, kw_only=True, gc=False):
    """So many frames of the bulk lane (`StreamData`, `Tail`) came in this session: the line carries them."""

    frames: int
