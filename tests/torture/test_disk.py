"""The disk that forgets: it keeps what was synced, and may lose, reorder or tear everything else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.torture.disk import SECTOR, Disk, Loss, restore
from tests.torture.recording import Cut, Deed, Made, Removed, Renamed, Synced, Wrote

ROOT, FILE, OTHER = "/folder", "/folder/file", "/folder/other"


def after(*deeds: Deed, loss: Loss, files: dict[str, bytes] | None = None, seed: int = 1) -> dict[str, bytes | None]:
    disk = Disk(files or {})
    for deed in deeds:
        disk.do(deed)
    return disk.without_power(loss, random.Random(seed))


def written(at: int, data: bytes, offset: int = 0) -> Wrote:
    return Wrote(at=at, path=FILE, offset=offset, data=data)


@pytest.mark.parametrize("loss", Loss)
def test_what_was_synced_is_there(loss: Loss) -> None:
    deeds = (Made(at=1, path=FILE), written(2, b"x" * 2000), Synced(at=4, path=FILE, since=3))
    assert after(*deeds, Synced(at=6, path=ROOT, since=5), loss=loss) == {FILE: b"x" * 2000}


def test_what_was_not_synced_is_lost_or_there() -> None:
    assert after(written(1, b"new"), loss=Loss.ALL, files={FILE: b"old"}) == {FILE: b"old"}
    assert after(written(1, b"new"), loss=Loss.NONE, files={FILE: b"old"}) == {FILE: b"new"}


def test_a_sync_that_began_before_a_write_does_not_cover_it() -> None:
    deeds = (written(2, b"new"), Synced(at=3, path=FILE, since=1))
    assert after(*deeds, loss=Loss.ALL, files={FILE: b"old"}) == {FILE: b"old"}


def test_a_torn_write_is_torn_at_sectors() -> None:
    found = {after(written(1, b"n" * 2048), loss=Loss.TORN, files={FILE: b"o" * 2048}, seed=s)[FILE] for s in range(50)}
    sectors = [{data[at : at + SECTOR] for at in range(0, 2048, SECTOR)} for data in found if data is not None]
    assert all(each <= {b"n" * SECTOR, b"o" * SECTOR} for each in sectors)
    assert len(found) > 10


def test_a_later_write_may_be_there_without_an_earlier_one() -> None:
    deeds = (written(1, b"a"), written(2, b"b", offset=1))
    found = {after(*deeds, loss=Loss.SOME, files={FILE: b"--"}, seed=seed)[FILE] for seed in range(50)}
    assert found == {b"--", b"a-", b"-b", b"ab"}


def test_names_are_durable_with_their_folder_only() -> None:
    deeds: tuple[Deed, ...] = (Renamed(at=1, old=OTHER, new=FILE), Synced(at=3, path=FILE, since=2))
    files = {FILE: b"old", OTHER: b"new"}
    assert after(*deeds, loss=Loss.ALL, files=files) == files
    assert after(*deeds, Synced(at=5, path=ROOT, since=4), loss=Loss.ALL, files=files) == {FILE: b"new"}


def test_a_removed_file_may_come_back_and_a_shortened_one_be_long() -> None:
    assert after(Removed(at=1, path=FILE), loss=Loss.ALL, files={FILE: b"x"}) == {FILE: b"x"}
    assert after(Removed(at=1, path=FILE), loss=Loss.NONE, files={FILE: b"x"}) == {}
    assert after(Cut(at=1, path=FILE, size=1), loss=Loss.ALL, files={FILE: b"xyz"}) == {FILE: b"xyz"}
    assert after(Cut(at=1, path=FILE, size=5), loss=Loss.NONE, files={FILE: b"xyz"}) == {FILE: b"xyz\0\0"}


def test_what_is_found_is_put_into_another_folder(tmp_path: Path) -> None:
    found = {"/folder/a": b"1", "/folder/kept": None, "/folder/kept/b": b"2", "/folder/lost/c": b"3"}
    restore(found, old=Path("/folder"), new=tmp_path)
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")} == {"a", "kept", "kept/b"}
