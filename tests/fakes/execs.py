"""A command inside a container in memory: `cat`, `echo`, `stty size`, `sh -c "exit N"`, and nothing else; also `sh` at
a terminal, which knows `echo`, `stty size` and `exit N`.
"""

import asyncio

BYTES_MAX = 64 * 1024


class FakeExec:
    """See `nodeagent.core.container.Exec`. Echoes like a terminal when it has one."""

    def __init__(self, command: tuple[str, ...], *, tty: bool, stdin: bool, cols: int, rows: int) -> None:
        self.command = command
        self.tty = tty
        self.size = (cols, rows)
        self.closed = False
        self._out: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._code: int | None = None
        self._typed = ""
        match command:
            case ("cat",) if stdin:
                pass
            case ("sh",) if stdin and tty:
                self._say("$ ")
            case ("echo", *words):
                self._say(" ".join(words) + "\n")
                self._end(0)
            case ("stty", "size"):
                self._say(f"{rows} {cols}\n")
                self._end(0)
            case ("sh", "-c", script) if script.startswith("exit "):
                self._end(int(script.removeprefix("exit ")))
            case ("sh", "-c", "echo bad >&2; exit 1"):
                self._out.put_nowait((1 if tty else 2, b"bad\n"))
                self._end(1)
            case ("sleep", _) | ("cat",):
                pass
            case _:
                self._say(f"exec failed: {command[0]}: executable file not found in $PATH\n")
                self._end(127)

    async def read(self) -> tuple[int, bytes] | None:
        return await self._out.get()

    async def write(self, data: bytes) -> None:
        if self._code is not None:
            return
        self._say(data.decode().replace("\r", "\n"))
        if self.command == ("sh",):
            *lines, self._typed = (self._typed + data.decode()).split("\r")
            for line in lines:
                self._obey(line.split())

    async def end_input(self) -> None:
        if self.command == ("cat",) and self._code is None:
            self._end(0)

    async def resize(self, cols: int, rows: int) -> None:
        self.size = (cols, rows)

    async def exit_code(self) -> int | None:
        return self._code

    async def close(self) -> None:
        self.closed = True

    def _obey(self, words: list[str]) -> None:
        match words:
            case ["exit", code]:
                self._end(int(code))
                return
            case ["echo", *said]:
                self._say(" ".join(said) + "\n")
            case ["stty", "size"]:
                self._say(f"{self.size[1]} {self.size[0]}\n")
            case _:
                self._say(f"sh: {' '.join(words)}: not found\n")
        self._say("$ ")

    def _say(self, text: str) -> None:
        self._out.put_nowait((1, (text.replace("\n", "\r\n") if self.tty else text).encode()))

    def _end(self, code: int) -> None:
        self._code = code
        self._out.put_nowait(None)
