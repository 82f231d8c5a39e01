"""Somebody who may not look into the daemon's folders types a command: words and an exit code, and no traceback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.config import locate

NOBODY = 65534
ELSEWHERE = "--url unix:/run/sitebind/sitebind.sock"

pytestmark = pytest.mark.root


@contextmanager
def nobody() -> Iterator[None]:
    """As a user who owns nothing, in groups that own nothing."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A configuration as docs/install.md makes it: for the daemon alone, in a folder that others cannot enter."""
    folder = tmp_path / "sitebind"
    folder.mkdir(mode=0o700)
    config = folder / "config.ini"
    config.write_text("[daemon]\nlisten = 127.0.0.1:1\nsocket = \n")
    config.chmod(0o600)
    return config


@pytest.mark.parametrize(
    "command, code",
    [
        ("status", 2), ("rebind", 2), ("doctor", 5), ("reload", 2), ("healthcheck", 1), ("audit tail", 2),
        ("check-config", 2), ("vault status", 2), ("bind", 2),
    ],
)  # fmt: skip
def test_a_configuration_that_is_closed_to_this_user_is_told_as_that(
    sitebind: Callable, closed: Path, command: str, code: int
) -> None:
    sitebind(*command.split(), "--config", closed)  # so that everything is imported: who is nobody may not read it
    with nobody():
        said = sitebind(*command.split(), "--config", closed)
    assert said.code == code, said
    assert str(closed) in said.out + said.err
    assert "this user may not read it" in said.out + said.err
    assert "Traceback" not in said.err


def test_who_may_not_read_it_is_told_the_other_way_to_the_daemon(sitebind: Callable, closed: Path) -> None:
    sitebind("status", "--config", closed)
    with nobody():
        assert ELSEWHERE in sitebind("status", "--config", closed).err


def test_the_usual_place_is_found_also_where_it_may_not_be_looked_into(
    closed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locate, "SYSTEM", closed)
    with nobody():
        assert locate.find_config(None, {}) == closed
    monkeypatch.setattr(locate, "SYSTEM", closed / "below a file")
    with pytest.raises(locate.NoConfiguration):
        locate.find_config(None, {})


def test_a_database_that_may_not_be_looked_for_is_told_with_its_path(sitebind: Callable, closed: Path) -> None:
    database = closed.with_name("sitebind.db")
    sitebind("audit", "verify", "--database", database)
    with nobody():
        said = sitebind("audit", "verify", "--database", database)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"sitebind: {database}: this user may not get at it (Permission denied). "
        "Type it as root or as the daemon's user.\n"
    )
