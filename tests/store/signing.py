"""A trail with days in it, and keys to seal it with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from daemon.ports import JournalEntry, Secret
from daemon.store.journal import SqliteJournal
from daemon.store.pruning import SqlitePruner
from daemon.store.signing import PublicKey, SigningKey, make_key

FIRST_DAY = datetime(2030, 1, 1, 8, tzinfo=UTC)


class Key:
    """A signing key on the disk."""

    def __init__(self, path: Path) -> None:
        make_key(path)
        self.path = path
        self.secret = Secret(path.read_text())
        self.signing = SigningKey.from_pem(self.secret.reveal())
        self.public: PublicKey = self.signing.public


def entry(day: int, number: int = 0) -> JournalEntry:
    """A record of that day, counted from 0."""
    at = FIRST_DAY + timedelta(days=day, minutes=number)
    return JournalEntry(
        at=at, site="default", actor="daemon", event="binding_verified", before="bound", after="bound",
        detail={"number": number},
    )  # fmt: skip


async def fill(journal: SqliteJournal, days: Sequence[int]) -> None:
    """So many records for each day in turn."""
    for day, records in enumerate(days):
        for number in range(records):
            await journal.append(entry(day, number))


def day(number: int) -> str:
    """The day as retention names it."""
    return (FIRST_DAY + timedelta(days=number)).date().isoformat()


async def prune(journal: SqliteJournal, key: Key, *, before: int, not_beyond: int | None = None) -> int | None:
    """Prune what is from before that day; the number of the last record that went."""
    pruner = SqlitePruner(journal)
    what = await pruner.prunable(day(before), not_beyond=not_beyond)
    if what is None:
        return None
    return (await pruner.prune(what, key=key.secret, at=FIRST_DAY + timedelta(days=before, hours=12))).seq
