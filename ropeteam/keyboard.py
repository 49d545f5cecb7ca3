"""The keys of a terminal, one by one as they are pressed. Reads none of them; called by `exec` and `top`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unbuffered(*, signals: bool) -> Iterator[None]:
    """Keys come at once and are not echoed; the terminal is given back as it was. Nothing happens without a terminal.

    `signals`: Ctrl-C still interrupts. Otherwise it is a key as any other, and nothing that is printed is changed.
    """
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        (tty.setcbreak if signals else tty.setraw)(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
