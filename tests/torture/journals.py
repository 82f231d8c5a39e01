"""A journal with a torn end, one of a newer version, and one that another daemon holds."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from daemon.ports import JournalUnavailable
from daemon.store.journal import SqliteJournal
from tests.acceptance.processes import sitebind
from tests.torture.estate import AS_ADMIN, Estate, world
from tests.torture.figures import Figure
from tests.torture.left import PARTS, Left, left_in
from tests.torture.load import FEW, Load, kept

CANNOT_START: Final = 2
LOG: Final = PARTS[1]
FOUND_SOMETHING: Final = 5
NEWER: Final = 9_999
PAGE: Final = 4096
TOKENS: Final = 40


@dataclass
class Torn:
    """What came of the tears."""

    cut: int = 0
    named: int = 0
    started: int = 0
    noticed: int = 0


def figures(*, long: bool) -> Iterator[Figure]:
    """Refusals, and torn logs."""
    tears, starts = (500, 12) if long else (24, 1)
    with world() as simulated:
        estate = Estate.new(simulated.folder / "estate", simulated, **checkpoints(simulated.folder))
        two_daemons(estate)
        newer_version(estate)
        found = torn(estate, tears=tears, starts=starts)
    yield Figure(
        what="a second daemon on the database of a busy one",
        amount="1",
        found="refused with words, exit code 2; the first one lost nothing",
    )
    yield Figure(what="a database of a newer version", amount="1", found="refused with words, exit code 2, untouched")
    yield Figure(
        what="the write-ahead log of a killed daemon cut off, overwritten or followed by noise",
        amount=f"{tears} tears",
        found=f"{tears - found.cut - found.named} cost nothing; {found.cut} cost records, the chain before them whole; "
        f"{found.named} left damage, and it was named",
    )
    yield Figure(
        what="`sitebind run` on such a log",
        amount=f"{found.started} of the tears that cost records",
        found=f"ready each time; `audit verify --checkpoints` named the loss {found.noticed} times",
    )


def checkpoints(folder: Path) -> dict[str, str]:
    """A key, and a second place, for signed checkpoints."""
    made = sitebind("audit", "key", "--new", folder / "checkpoint.key")
    assert made.code == 0, made
    (folder / "checkpoint.pem").write_text(made.out, encoding="ascii")
    (folder / "second-place").mkdir()
    return {"checkpoint_key": f"file:{folder / 'checkpoint.key'}", "checkpoint_file": str(_second(folder))}


def two_daemons(estate: Estate) -> None:
    """The second one is told who holds the database, also when it is to listen elsewhere."""
    with estate.start() as program:
        with Load(estate, seed=1, beyond=False) as load:
            second = estate.sitebind("run")
            load.promised(FEW)
        assert second.code == CANNOT_START, second
        assert f"is in use by process {program.pid}" in second.err, second
        assert program.stop() == 0
    kept(load.promises, left_in(estate.database))


def newer_version(estate: Estate) -> None:
    """Its files are found as they were."""
    with closing(sqlite3.connect(estate.database)) as connection:
        connection.execute("INSERT INTO migrations (number, name) VALUES (?, 'later')", (NEWER,))
        connection.commit()
    before = estate.database.read_bytes()
    refused = estate.sitebind("run")
    assert refused.code == CANNOT_START, refused
    assert "newer sitebind" in refused.err, refused
    assert "Traceback" not in refused.err, refused
    assert estate.database.read_bytes() == before
    with closing(sqlite3.connect(estate.database)) as connection:
        connection.execute("DELETE FROM migrations WHERE number = ?", (NEWER,))
        connection.commit()


def torn(estate: Estate, *, tears: int, starts: int) -> Torn:
    """Fill its log, note the chain's end in the second place, kill it, and tear copies of its log."""
    with estate.start() as program:
        # No binds: keys that are wiped take the log with them, so that no copy of them stays.
        for number in range(TOKENS):
            body = {"name": f"torn-{number}", "scopes": ["read"]}
            assert estate.api.ask("POST", "/api/v1/tokens", body, headers=AS_ADMIN).status == 201
        assert estate.sitebind("audit", "checkpoint").code == 0
        program.kill()
    whole = left_in(estate.database)
    assert len(whole.tokens) >= TOKENS
    chance, found = random.Random(1), Torn()
    for _ in range(tears):
        with TemporaryDirectory(dir=estate.folder.parent) as name:
            copy = replace(estate, folder=Path(name, "estate"))
            shutil.copytree(estate.folder, copy.folder, ignore=shutil.ignore_patterns("*-shm", "*.sock", "*.lock"))
            tear(copy.database.with_name(f"{copy.database.name}{LOG}"), chance)
            _looked_at(copy, whole, found, starts=starts)
    assert found.started == min(starts, found.cut), found
    assert found.noticed == found.started, found
    return found


def tear(log: Path, chance: random.Random) -> None:
    """Cut it off somewhere, write noise over some of it, or write noise behind it."""
    data = bytearray(log.read_bytes())
    place, noise = chance.randrange(len(data)), chance.randbytes(chance.randint(1, 3 * PAGE))
    match chance.choice(("cut", "over", "behind")):
        case "cut":
            del data[place:]
        case "over":
            data[place : place + len(noise)] = noise
        case _:
            data += noise
    log.write_bytes(data)


def _looked_at(copy: Estate, whole: Left, found: Torn, *, starts: int) -> None:
    if not asyncio.run(_is_whole(copy.database)):
        found.named += 1
        return
    left = left_in(copy.database)
    if left.records == whole.records:
        assert left == whole
        return
    found.cut += 1
    if found.started < starts:
        found.started += 1
        found.noticed += _names_the_loss(copy)


def _names_the_loss(copy: Estate) -> bool:
    """Start on it, stop, and ask `audit verify` with the checkpoints of the second place."""
    with copy.start() as program:
        program.kill()
    folder = copy.folder.parent.parent
    how = ("--checkpoints", _second(folder), "--public-key", folder / "checkpoint.pem")
    said = copy.sitebind("audit", "verify", "--database", copy.database, *how)
    return said.code == FOUND_SOMETHING


async def _is_whole(database: Path) -> bool:
    """Whether it opens, and holds a chain that is intact; what is wrong with it otherwise has words."""
    journal = SqliteJournal(database)
    try:
        await journal.open()
        report = await journal.verify()
    except JournalUnavailable as error:
        return "cannot be used" not in str(error)
    finally:
        await journal.close()
    assert report.intact or report.reason, report
    return report.intact


def _second(folder: Path) -> Path:
    return folder / "second-place" / "checkpoints.jsonl"
