"""`sitebind demo` as a newcomer starts it: in a folder of its own, whose `.demo` it makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.calls import Api
from tests.acceptance.processes import Program, Said, a_free_port, console_script, run, sitebind, until

PRINTED_COMMAND = re.compile(r"^  (\S.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Demo:
    """A demo that has printed everything it has to say at its start."""

    program: Program
    here: Path
    port: int

    @property
    def api(self) -> Api:
        return Api(self.port)

    @property
    def config(self) -> Path:
        return self.here / ".demo" / "config.ini"

    @property
    def commands(self) -> list[str]:
        """The commands to try, as they are printed."""
        _, _, hints = self.program.out.partition("Try next")
        return PRINTED_COMMAND.findall(hints)

    def sitebind(self, *arguments: str) -> Said:
        return sitebind(*arguments, cwd=self.here)

    def type(self, line: str) -> Said:
        """What a person in a second terminal does."""
        return run(["bash", "-c", line], cwd=self.here)


@contextmanager
def demo(here: Path, *options: str) -> Iterator[Demo]:
    """Run a demo in the folder `here`."""
    port = a_free_port()
    with _started(here, port, *options) as program:
        program.line("^Stop it with Ctrl-C")
        yield Demo(program, here, port)


def _started(here: Path, port: int, *options: str) -> Program:
    """The demo takes the first five free ports from 8790 on for its sandbox, and keeps them in its folder.

    Another demo on this machine may be quicker with one: then a new one starts anew on others, as it is told to,
    and one that goes on from an earlier run waits for its own.
    """
    command = [*console_script(), "demo", "--listen", f"127.0.0.1:{port}", *options]

    def attempt() -> Program | None:
        folder = here / ".demo"
        in_vain = folder.exists() and not (folder / "sitebind.db").exists()
        program = Program([*command, "--fresh"] if in_vain else command, cwd=here)
        if program.line("^sitebind: .*")[0].startswith("sitebind: http"):
            return program
        program.ended()
        assert "cannot listen on ports" in program.err, program.err
        return None

    return until(attempt, "the demo has ports for its sandbox")
