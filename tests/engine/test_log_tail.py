"""The newest log lines: kept as written, bounded, and across a new handler."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from daemon.engine.log import configure_logging
from daemon.engine.log_tail import LONGEST_LINE, MOST_LINES, TAIL, LogTail


@pytest.fixture(autouse=True)
def own_handler() -> Iterator[None]:
    """Whatever handler a test sets is gone after it."""
    before = tuple(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers[:] = before


def test_the_newest_lines_stay_and_the_oldest_go() -> None:
    tail = LogTail()
    for number in range(MOST_LINES + 7):
        tail.add(str(number))
    lines = tail.newest(MOST_LINES)
    assert (len(lines), lines[0], lines[-1]) == (MOST_LINES, "7", str(MOST_LINES + 6))
    assert tail.newest(2) == lines[-2:]


def test_of_a_huge_line_the_end_is_kept() -> None:
    tail = LogTail()
    tail.add("x" * LONGEST_LINE + "the last word")
    (line,) = tail.newest(1)
    assert (line[:4], line.endswith("the last word"), len(line)) == ("[…] ", True, LONGEST_LINE + 4)


def test_a_line_is_kept_as_it_was_written_whatever_handler_wrote_it() -> None:
    written = io.StringIO()
    configure_logging(form="text", level="info", stream=written)
    logging.getLogger("sitebind.test").warning("one\nforged line")
    configure_logging(form="json", level="info", stream=written)
    logging.getLogger("sitebind.test").warning("two")
    logging.getLogger("sitebind.test").debug("not told, not kept")
    assert TAIL.newest(2) == written.getvalue().splitlines()
