"""Power cuts: what was not synced is lost, in part or whole, at moments of a recorded history; and on a real ext4."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from daemon.store.journal import SqliteJournal
from daemon.store.vault import SealedVault
from tests.acceptance.processes import until
from tests.acceptance.simulated import Simulated
from tests.torture.disk import Disk, Loss, restore
from tests.torture.estate import Estate, world
from tests.torture.figures import Figure
from tests.torture.left import left_in
from tests.torture.load import Load, Promise, kept
from tests.torture.mounts import mounted, new_image
from tests.torture.recording import INDEX, Answered, Deed, deeds, has_ended, tracer

INDEX_BYTES: Final = 32768


@dataclass(frozen=True)
class Extent:
    """How much is done."""

    seconds: float
    lives: int
    cuts: int
    starts: int
    plugs: int


LONG: Final = Extent(seconds=12, lives=3, cuts=2000, starts=30, plugs=20)
BOUNDED: Final = Extent(seconds=1, lives=2, cuts=40, starts=1, plugs=2)


@dataclass(frozen=True)
class History:
    """What an estate did to its files, from an empty database on, and what it promised meanwhile."""

    estate: Estate
    before: dict[str, bytes]
    deeds: list[Deed]
    promises: list[Promise]


def figures(*, long: bool) -> Iterator[Figure]:
    """Record a history, cut it, and start on what is left."""
    extent = LONG if long else BOUNDED
    with world() as simulated:
        history = recorded(Estate.new(simulated.folder / "estate", simulated), extent)
        counted = cut(history, extent)
        pulled = plug_pulled(simulated, rounds=extent.plugs)
    syncs = Counter(type(deed).__name__ for deed in history.deeds)
    yield Figure(
        what="a power cut at a moment of a recorded history, unsynced writes lost, reordered or torn by the sector",
        amount=f"{extent.cuts} cuts in a history of {syncs['Wrote']} writes and {syncs['Synced']} syncs",
        found=f"0 of {counted} promises broken that were answered before; chain intact, vault opened each time",
    )
    yield Figure(
        what="`sitebind run` on what such a cut leaves",
        amount=f"{extent.starts} of these cuts",
        found="ready each time, nothing acknowledged missing, `sitebind audit verify` content",
    )
    yield Figure(
        what="the plug is pulled from an ext4 under load: only what its device has been given is there",
        amount=f"{extent.plugs} times, one after the other on the same file system",
        found=f"0 of {pulled} promises broken; chain intact, ready again each time",
    )


def recorded(estate: Estate, extent: Extent) -> History:
    """Let it live, under load, so many times: each life but the last one ends in order."""
    folder, log = estate.folder.resolve(), estate.folder.parent / "strace"
    before = {str(file): file.read_bytes() for file in folder.iterdir()}
    promises: list[Promise] = []
    for life in range(1, extent.lives + 1):
        with estate.start(*tracer(log)) as program:
            with Load(estate, seed=life, beyond=False) as load:
                load.enough(extent.seconds)
                if life == extent.lives:
                    program.kill()
            if life < extent.lives:
                assert program.stop() == 0
        until(lambda: has_ended(log, program.pid), "strace has written its last line")
        promises += load.promises
    done = deeds(log, folder, before=before)
    answered = {deed.request for deed in done if isinstance(deed, Answered)}
    unseen = [promise for promise in promises if promise.request not in answered]
    assert not unseen, f"answers that strace did not see: {unseen}"
    return History(estate, before, done, promises)


def cut(history: History, extent: Extent) -> int:
    """Cut the power at so many moments; how many promises were looked at. Raises AssertionError for a broken one."""
    chance = random.Random(1)
    looked_at, disk, answered = 0, Disk(history.before), set[str]()
    moments = Counter(_moments(history.deeds, extent.cuts, chance))
    begun = set(chance.sample(range(extent.cuts), extent.starts))
    number = 0
    for position, deed in enumerate(history.deeds):
        for _ in range(moments[position]):
            due = [promise for promise in history.promises if promise.request in answered]
            found = disk.without_power(chance.choice([*Loss]), chance)
            looked_at += _without_power(history.estate, found, due, starts=number in begun, chance=chance)
            number += 1
        disk.do(deed)
        if isinstance(deed, Answered):
            answered.add(deed.request)
    return looked_at


def _moments(deeds: Sequence[Deed], count: int, chance: random.Random) -> Iterator[int]:
    """Positions before which the power goes: half of them right behind an answer, where a promise is youngest."""
    behind = [position + 1 for position, deed in enumerate(deeds[:-1]) if isinstance(deed, Answered)]
    for number in range(count):
        yield chance.choice(behind) if number % 2 else chance.randrange(len(deeds))


def _without_power(
    estate: Estate, found: Mapping[str, bytes | None], due: Sequence[Promise], *, starts: bool, chance: random.Random
) -> int:
    with TemporaryDirectory(dir=estate.folder.parent) as name:
        after = replace(estate, folder=Path(name))
        restore(found, old=estate.folder.resolve(), new=after.folder)
        if chance.random() < 0.5:  # what lies in SQLite's index after a power cut is anybody's guess
            after.database.with_name(f"{after.database.name}{INDEX}").write_bytes(chance.randbytes(INDEX_BYTES))
        if starts:
            with after.start() as program:
                program.kill()
            after.verify()
        else:
            asyncio.run(_opened(after.database))
        return kept(due, left_in(after.database))


async def _opened(database: Path) -> None:
    """As the daemon opens it."""
    journal = SqliteJournal(database)
    await journal.open()
    try:
        vault = SealedVault(journal)
        await vault.open()
        assert vault.problem() is None, vault.problem()
        report = await journal.verify()
        assert report.intact, report
        for site, now in (await journal.snapshots()).items():
            assert now.binding is None or await vault.get(now.binding.bind_id), f"{site}: its keys are gone"
    finally:
        await journal.close()


def plug_pulled(simulated: Simulated, *, rounds: int) -> int:
    """What an image holds while its file system is in use is what a disk holds: go on with copies of it.

    The daemon is stopped while the image is copied, and the file system's own commits are far apart; so the copy is
    one moment. How many promises were kept.
    """
    image, place, copy = simulated.folder / "disk", simulated.folder / "mounted", simulated.folder / "copy"
    with mounted(new_image(image, megabytes=32), place):
        estate = Estate.new(place / "estate", simulated)
    looked_at, promises = 0, list[Promise]()
    for number in range(rounds + 1):
        with mounted(image, place, options="commit=600"):
            if number:
                looked_at += kept(promises, left_in(estate.database))
                estate.verify()
            if number < rounds:
                with estate.start() as program, Load(estate, seed=number, beyond=False) as load:
                    load.enough(random.Random(number).uniform(0.2, 1.5))
                    program.send(signal.SIGSTOP)
                    shutil.copyfile(image, copy)
                    program.kill()
                promises = load.promises
        if number < rounds:
            copy.replace(image)
    image.unlink()
    return looked_at
