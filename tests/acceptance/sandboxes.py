"""`sitebind sandbox serve` as a user starts it, on ports that are free."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from pathlib import Path

from tests.acceptance.processes import Program, a_free_port, console_script


def five_free_ports() -> int:
    """The first of five free ones in a row, as `sandbox serve` wants them."""
    while True:
        first = a_free_port()
        with ExitStack() as stack:
            try:
                for port in range(first, first + 5):
                    stack.enter_context(closing(socket.create_server(("127.0.0.1", port))))
            except (OSError, OverflowError):
                continue
            return first


def serve(here: Path) -> tuple[Program, str]:
    """A sandbox that serves, and its introduction. Another program may be quicker with a port; then once more."""
    while True:
        first = five_free_ports()
        program = Program([*console_script(), "sandbox", "serve", "--port", str(first), "--directory", here], cwd=here)
        if "cannot listen on ports" not in program.line(r"^Stop it with Ctrl-C|cannot listen on ports")[0]:
            assert f"sandbox: https://localhost:{first}\n" in program.out
            return program, program.out
        program.ended()
