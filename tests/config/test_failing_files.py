"""A disk that refuses in the middle of a read is told like one that refuses at its begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.config.beginning import CannotStart, usable_daemon
from daemon.config.ini import read_config
from daemon.config.textfile import Unreadable, read_small
from tests.torture.file_calls import FileCalls
from tests.torture.nth import Manner, Nth


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_whichever_call_of_a_read_fails_it_is_unreadable(tmp_path: Path, at: int) -> None:
    """Opening, looking, both reads, closing."""
    (tmp_path / "file").write_text("text")
    nth = Nth()
    with FileCalls(tmp_path, nth, lambda _name, _arguments: None).between():
        nth.arm(at)
        with pytest.raises(Unreadable):
            read_small(tmp_path / "file", limit=100)
        assert len(nth.struck) == 1
        nth.arm(0)
        assert read_small(tmp_path / "file", limit=100).data == b"text"
        assert nth.count == 5


def test_a_start_ends_with_words_where_nothing_can_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text("[account]\n")
    nth = Nth()
    with FileCalls(tmp_path, nth, lambda _name, _arguments: None).between():
        nth.arm(1, Manner.ON)
        reading = read_config(tmp_path / "config.ini")
        with pytest.raises(CannotStart, match=r"sitebind\.db cannot be looked at: "):
            usable_daemon(reading, tmp_path / "config.ini")
