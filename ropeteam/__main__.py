"""Entry point of `rope`: run the command, turn what goes wrong into lines on stderr and an exit code."""

import sys

import click

from ropeteam.fault import Exit, Fault
from ropeteam.root import rope


def main() -> None:
    """Run `rope` with the arguments of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    try:
        code = rope.main(arguments, prog_name="rope", standalone_mode=False, auto_envvar_prefix="ROPE")
        return code if isinstance(code, int) else Exit.OK
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Fault as error:
        _tell(error)
        return error.code
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED


def _tell(error: Fault) -> None:
    from ropeteam.complaint import lines

    for line in lines(error):
        print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
