"""Secrets in files of their own: private, never overwritten, and gone when nothing refers to them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from daemon.config.filing import NotWritten
from daemon.config.model import SecretSource
from daemon.config.secret_files import discard, new_name, reference, store, sweep, why_not
from daemon.config.secrets import resolve_now
from daemon.config.values import secret_source
from daemon.ports import Secret

KEY = ("binding", "password")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.ini"
    path.write_text("[site]\n")
    return path


def stored(config: Path, text: str = "s3cret", *, site: str = "default") -> Path:
    name = new_name(site, KEY)
    store(config, name, Secret(text))
    return config.parent / "secrets" / name


@pytest.mark.parametrize("text", ["s3cret", " blanks around ", "ü 你 🎈", "literal:x", "a # b; c = %d", "x" * 16384])
def test_what_is_stored_is_found_again_by_its_reference(config: Path, text: str) -> None:
    file = stored(config, text)
    source = secret_source(reference(file.name), config.parent)
    assert isinstance(source, SecretSource)
    assert resolve_now(source).reveal() == text
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)]
    assert (modes, why_not(Secret(text))) == ([0o600, 0o700], "")


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "is empty"),
        ("a\nb", "more than one line"),
        ("a\r", "more than one line"),
        ("a\0", "a NUL"),
        ("a\ud800", "UTF-8"),
        ("ü" * 8193, "longer than 16 KiB"),
    ],
)
def test_what_cannot_be_a_secret_is_said_without_it(text: str, why: str) -> None:
    assert why in why_not(Secret(text))


def test_names_are_never_used_twice() -> None:
    assert len({new_name("default", KEY) for _ in range(50)}) == 50
    assert new_name("a-1", KEY).startswith("a-1.binding.password-")


def test_a_disk_that_is_full_leaves_no_half_of_a_secret(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (config.parent / "secrets").mkdir(mode=0o700)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotWritten):
        stored(config)
    assert list((config.parent / "secrets").iterdir()) == []


def test_what_was_stored_for_nothing_is_taken_back(config: Path) -> None:
    file = stored(config)
    discard(config, [file.name, "never-written"])
    assert not file.exists()


def test_only_what_nothing_refers_to_is_swept(config: Path) -> None:
    """Neither this file nor a copy of it beside it, neither the settings in force nor another site."""
    mine, copied, in_force, orphan, theirs = (
        stored(config), stored(config), stored(config), stored(config), stored(config, site="other"),
    )  # fmt: skip
    by_hand = config.parent / "secrets" / "default.binding.password"
    by_hand.write_text("put there by a person")
    config.write_text(f"[binding]\npassword = {reference(mine.name)}\n")
    config.with_name("copy.ini").write_text(f"[binding]\npassword = {reference(copied.name)}\n")
    assert sweep(config, "default", in_use={in_force}) == [orphan.name]
    assert {mine, copied, in_force, theirs, by_hand} == set((config.parent / "secrets").iterdir())
    assert sweep(config, "default", in_use={in_force}) == []


def test_without_a_folder_nothing_is_swept(config: Path) -> None:
    assert sweep(config, "default", in_use=()) == []
