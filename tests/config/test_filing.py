"""Replacing a file: whole or not at all, whatever happens in between; backups; who may not."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.config import filing
from daemon.config.filing import NotWritten, Overtaken, keep, replace, why_managed
from daemon.config.ini import files_of

OLD, NEW = b"[site]\ndisplay_name = old\n", b"[site]\ndisplay_name = new, and longer\n"
NOON = datetime(2026, 11, 27, 12, 30, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "configuration"
    folder.mkdir()
    path = folder / "config.ini"
    path.write_bytes(OLD)
    path.chmod(0o640)
    return path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def failing(monkeypatch: pytest.MonkeyPatch, name: str, code: int, *, when: Callable[[object], bool] = bool) -> None:
    """Let one call to the system fail as a full or broken disk would."""
    real = getattr(os, name)

    def broken(first: object, *rest: object, **options: object) -> object:
        if when(first):
            raise OSError(code, os.strerror(code))
        return real(first, *rest, **options)

    monkeypatch.setattr(os, name, broken)


def is_folder(number: object) -> bool:
    return isinstance(number, int) and stat.S_ISDIR(os.fstat(number).st_mode)


# --- replacing -----------------------------------------------------------------------------------


def test_the_new_file_has_the_mode_and_owner_of_the_old_one(file: Path) -> None:
    before = file.stat()
    replace(file, NEW, over=OLD)
    after = file.stat()
    assert file.read_bytes() == NEW
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert names(file.parent) == ["config.ini"]


@pytest.mark.root
def test_a_file_of_another_user_stays_theirs(file: Path) -> None:
    os.chown(file, 4711, 4712)
    replace(file, NEW, over=OLD)
    assert (file.stat().st_uid, file.stat().st_gid) == (4711, 4712)


def test_another_owner_is_given_before_the_mode_that_they_may_not_lose(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To give a file away takes its set-id bits from it, so the mode comes last."""
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "fchown", lambda _number, *owner: calls.append(owner))
    monkeypatch.setattr(os, "fchmod", lambda _number, mode: calls.append((mode,)))
    like = os.stat_result((0o100640, 0, 0, 1, 4711, 4712, 0, 0, 0, 0))
    filing.create(file.with_name("fresh"), NEW, like=like)
    assert calls == [(4711, 4712), (0o640,)]


def test_what_a_crash_left_behind_is_in_nobodys_way(file: Path) -> None:
    (file.parent / ".config.ini.new").write_bytes(b"half of it")
    assert files_of(file.parent) == [file]  # in a folder of sites it is no site
    replace(file, NEW, over=OLD)
    assert (file.read_bytes(), names(file.parent)) == (NEW, ["config.ini"])


@pytest.mark.parametrize("last", ["fsync of the file", "the rename", "fsync of the folder"])
def test_a_crash_at_any_point_leaves_the_old_file_or_the_new_one(file: Path, last: str) -> None:
    """The process ends without a farewell in the middle of it."""
    program = f"""
import os, stat
from pathlib import Path
from daemon.config import filing

def ends(what, real):
    def call(first, *rest, **options):
        folder = isinstance(first, int) and stat.S_ISDIR(os.fstat(first).st_mode)
        if {last!r} == what(folder):
            os._exit(9)
        return real(first, *rest, **options)
    return call

os.fsync = ends(lambda folder: "fsync of the folder" if folder else "fsync of the file", os.fsync)
os.rename = ends(lambda folder: "the rename", os.rename)
Path.rename = ends(lambda folder: "the rename", Path.rename)
filing.replace(Path({str(file)!r}), {NEW!r}, over={OLD!r})
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == 9
    assert file.read_bytes() == (NEW if last == "fsync of the folder" else OLD)
    assert files_of(file.parent) == [file]
    replace(file, OLD + NEW, over=file.read_bytes())
    assert (file.read_bytes(), names(file.parent)) == (OLD + NEW, ["config.ini"])


@pytest.mark.parametrize(
    "call, code, managed",
    [
        ("fsync", errno.ENOSPC, False),
        ("fsync", errno.EIO, False),
        ("rename", errno.EBUSY, True),
        ("open", errno.EROFS, True),
    ],
)
def test_what_the_system_refuses_is_said_and_leaves_everything_as_it_was(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, managed: bool
) -> None:
    failing(monkeypatch, call, code, when=lambda first: str(first) != str(file))
    with pytest.raises(NotWritten) as refused:
        replace(file, NEW, over=OLD)
    monkeypatch.undo()
    assert refused.value.managed is managed
    assert str(refused.value).startswith(f"config.ini could not be written: {os.strerror(code).lower()}. ")
    assert (file.read_bytes(), names(file.parent)) == (OLD, ["config.ini"])


def test_a_refusal_without_words_of_the_system_is_said_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_number: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(NotWritten, match="the system refused"):
        replace(file, NEW, over=OLD)


def test_a_folder_that_cannot_be_made_durable_is_a_warning(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The new file is in its place: to say that nothing was written would be a lie."""
    failing(monkeypatch, "fsync", errno.EIO, when=is_folder)
    replace(file, NEW, over=OLD)
    assert (file.read_bytes(), "power failure" in caplog.text) == (NEW, True)


def test_a_change_of_somebody_else_in_this_moment_stays(file: Path) -> None:
    file.write_bytes(b"# theirs\n")
    with pytest.raises(Overtaken):
        replace(file, NEW, over=OLD)
    assert (file.read_bytes(), names(file.parent)) == (b"# theirs\n", ["config.ini"])


# --- backups -------------------------------------------------------------------------------------


def test_a_backup_is_private_and_no_site_of_a_folder(file: Path) -> None:
    name = keep(file, OLD, at=NOON)
    assert name == "backups/config.ini.bak-20261127T123012Z"
    backup = file.parent / name
    assert (backup.read_bytes(), stat.S_IMODE(backup.stat().st_mode)) == (OLD, 0o600)
    assert stat.S_IMODE(backup.parent.stat().st_mode) == 0o700
    assert files_of(file.parent) == [file]


def test_the_last_ten_backups_of_a_file_are_kept_and_those_of_others_left_alone(file: Path) -> None:
    other = keep(file.with_name("other.ini"), OLD, at=NOON)
    (file.parent / "backups" / "config.ini.bak-by-hand").write_bytes(OLD)
    made = [keep(file, b"%d" % number, at=NOON + timedelta(minutes=number // 3)) for number in range(14)]
    left = {f"backups/{name}" for name in names(file.parent / "backups")}
    assert left == {*made[-10:], other, "backups/config.ini.bak-by-hand"}
    assert [(file.parent / name).read_bytes() for name in made[-2:]] == [b"12", b"13"]
    assert made[1].endswith("T123012Z-001")


def test_a_backup_that_was_just_made_is_kept_also_after_the_clock_was_set_back(file: Path) -> None:
    """Its name comes before those of all others then."""
    ahead = [keep(file, OLD, at=NOON + timedelta(hours=30, minutes=number)) for number in range(10)]
    name = keep(file, b"now", at=NOON)
    assert (file.parent / name).read_bytes() == b"now"
    assert {f"backups/{name}" for name in names(file.parent / "backups")} == {name, *ahead[1:]}


@pytest.mark.parametrize("call, when", [("fsync", lambda number: not is_folder(number)), ("mkdir", bool)])
def test_without_a_backup_nothing_is_replaced(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str, when: Callable[[object], bool]
) -> None:
    failing(monkeypatch, call, errno.ENOSPC, when=when)
    with pytest.raises(NotWritten, match="no space left"):
        keep(file, OLD, at=NOON)
    monkeypatch.undo()
    backups = file.parent / "backups"
    assert list(backups.iterdir() if backups.exists() else ()) == []


def test_a_folder_that_others_may_write_to_takes_no_backup(file: Path) -> None:
    (file.parent / "backups").mkdir()
    (file.parent / "backups").chmod(0o777)
    with pytest.raises(NotWritten, match="others may write to the folder backups") as refused:
        keep(file, OLD, at=NOON)
    assert refused.value.managed


# --- who may not ---------------------------------------------------------------------------------


def test_a_plain_file_is_ours(file: Path) -> None:
    assert why_managed(file) == ""


def test_a_config_map_is_told_by_its_link(file: Path) -> None:
    data = file.parent / "..2026_11_27"
    data.mkdir()
    file.rename(data / "config.ini")
    (file.parent / "..data").symlink_to(data.name)
    file.symlink_to("..data/config.ini")
    assert "comes from a ConfigMap" in why_managed(file)


def test_any_other_link_is_not_followed(file: Path) -> None:
    file.rename(file.with_name("real.ini"))
    file.symlink_to("real.ini")
    assert "is a symbolic link" in why_managed(file)


def test_a_file_that_is_marked_read_only_stays_so(file: Path) -> None:
    file.chmod(0o440)
    assert "chmod u+w" in why_managed(file)


def test_a_file_that_is_gone_is_not_ours(file: Path) -> None:
    file.unlink()
    assert "no such file" in why_managed(file)


@pytest.mark.parametrize("closed", ["the file", "the folder"])
def test_what_this_process_may_not_write_to_is_not_ours(
    file: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    """A file system that is mounted read-only, for example, where the modes say otherwise."""
    path = file if closed == "the file" else file.parent
    real = os.access
    monkeypatch.setattr(os, "access", lambda asked, mode: asked != path and real(asked, mode))
    assert "read-only for this process" in why_managed(file)


def test_a_file_whose_owner_we_could_not_keep_is_not_ours(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert "another user or group" in why_managed(file)


@pytest.mark.root
def test_a_file_whose_group_we_could_not_keep_is_not_ours(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(file, 4713, 4712)
    monkeypatch.setattr(os, "geteuid", lambda: 4713)
    assert "another user or group" in why_managed(file)


@pytest.mark.root
def test_a_file_of_our_own_needs_no_root(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(file, 4713, os.getegid())
    monkeypatch.setattr(os, "geteuid", lambda: 4713)
    assert why_managed(file) == ""


@pytest.mark.root
def test_a_read_only_file_system_is_seen_by_root_too(file: Path) -> None:
    """The one thing that stops root: a bind mount that is read-only, as containers have it."""
    program = (
        "from pathlib import Path; from daemon.config.filing import why_managed;"
        f"print(why_managed(Path({str(file)!r})))"
    )
    here = str(file.parent)
    mount = f"mount --bind {here} {here} && mount -o remount,ro,bind {here}"
    said = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, program],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "read-only for this process" in said.stdout


def test_the_folders_of_this_module_are_private_from_the_beginning(tmp_path: Path) -> None:
    filing.ready(tmp_path / "new")
    filing.ready(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
