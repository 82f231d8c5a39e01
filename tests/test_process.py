"""What the loop of a daemon cannot do for want of something of the system is said in words, once."""

from __future__ import annotations

import asyncio
import errno
import logging
import os

import pytest

from daemon.process import _SAY_AGAIN, _Want


class Loop(asyncio.SelectorEventLoop):
    """Its time is what the test says."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def loop() -> Loop:
    return Loop()


def accept_failed(number: int) -> dict[str, object]:
    return {"message": "socket.accept() out of system resource", "exception": OSError(number, os.strerror(number))}


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_shortage_is_said_once_a_minute_with_a_remedy(
    loop: Loop, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop tries 128 times a second, and would print a traceback for each."""
    want = _Want()
    loop.set_exception_handler(want)
    with caplog.at_level(logging.ERROR):
        for _ in range(128):
            loop.call_exception_handler(accept_failed(number))
        loop.now = _SAY_AGAIN
        loop.call_exception_handler(accept_failed(number))
    loop.close()
    assert [line.getMessage().count(os.strerror(number)) for line in caplog.records] == [1, 1]
    assert "LimitNOFILE=" in caplog.text
    assert "Traceback" not in caplog.text


def test_listening_again_on_what_was_closed_meanwhile_is_no_defect(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop within a second of a shortage: hundreds of tracebacks kept the loop from ending its tasks."""
    loop.set_exception_handler(_Want())
    message = "Exception in callback BaseSelectorEventLoop._start_serving(<a listener>, 1024, None, None)"
    loop.call_exception_handler({"message": message, "exception": ValueError("Invalid file descriptor: -1")})
    loop.call_exception_handler({"message": "Exception in callback other()", "exception": ValueError("a defect")})
    loop.close()
    assert "Invalid file descriptor" not in caplog.text
    assert "a defect" in caplog.text


def test_the_same_want_elsewhere_keeps_its_traceback(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """Of a task that failed for want of a descriptor somebody must learn which one it was."""
    loop.set_exception_handler(_Want())
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    loop.call_exception_handler({"message": "Task exception was never retrieved", "exception": error})
    loop.close()
    assert "Task exception was never retrieved" in caplog.text
    assert "no further connection" not in caplog.text


def test_anything_else_is_told_as_the_loop_tells_it(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_exception_handler(_Want())
    loop.call_exception_handler({"message": "Task was destroyed", "exception": RuntimeError("a defect")})
    loop.close()
    assert "Task was destroyed" in caplog.text
    assert "a defect" in caplog.text
