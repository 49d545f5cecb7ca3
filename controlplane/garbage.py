"""When Python looks for garbage in circles: often and little, never all at once while the Center works.

With 5,000 agents a whole collection stops the event loop for 100 to 300 ms, twenty times the limit (DESIGN §2). What
has lived through the young generations is looked at while it is little, then set aside (`gc.freeze`); it is still freed
when nobody refers to it. Only circles among what was set aside stay, until everything is looked at, some times a day.
Run by `app.py` in the Center's own process.
"""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_S = 0.5

OLD_MAX = 3
"""Collections of the middle generation, up to 7,700 objects each, before what they left is looked at: some ms."""

WHOLE_S = 6 * 3600.0
"""Between two looks at everything: some 40 ms for each thousand nodes."""


@contextmanager
def never_all() -> Iterator[None]:
    """No whole collection by itself: half of the time of a start was theirs. At the end all is as it was."""
    before = gc.get_threshold()
    gc.set_threshold(before[0], before[1], 1 << 30)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def run(look_s: float = LOOK_S, whole_s: float = WHOLE_S) -> None:
    """Until cancelled; within `never_all`."""
    clock = asyncio.get_running_loop().time
    gc.freeze()  # what was loaded stays: collections need not look at it again
    whole_at = clock() + whole_s
    while True:
        await asyncio.sleep(look_s)
        if clock() >= whole_at:
            whole_at = clock() + whole_s
            gc.unfreeze()
        elif gc.get_count()[2] < OLD_MAX:
            continue
        gc.collect()
        gc.freeze()
