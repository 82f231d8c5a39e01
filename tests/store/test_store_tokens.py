"""Tokens in SQLite: hashes only, and each change in one transaction with its audit record."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.engine.operations import Caller
from daemon.engine.tokens import TokenBook, UnknownToken, digest_of
from daemon.ports import JournalUnavailable, Scope
from daemon.store.journal import SqliteJournal
from daemon.store.tokens import SqliteTokens
from tests.clock import ManualClock

ME = Caller(actor="unix:uid=0", request_id="r-1")
READ = frozenset({Scope.READ})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def book(journal: SqliteJournal, clock: ManualClock) -> TokenBook:
    return TokenBook(SqliteTokens(journal), clock=clock)


async def test_a_token_outlives_the_daemon_and_its_secret_is_nowhere(
    journal: SqliteJournal, path: Path, clock: ManualClock
) -> None:
    """A new process knows the token by its hash; no file holds what was shown once."""
    first = TokenBook(SqliteTokens(journal), clock=clock)
    made, secret = await first.create("prometheus", READ, lifetime=timedelta(days=1), caller=ME)
    again = TokenBook(SqliteTokens(journal), clock=clock)
    await again.load()
    assert again.find(digest_of(secret.reveal())) == made
    assert again.find(digest_of("sitebind_other")) is None
    for file in path.parent.iterdir():
        assert secret.reveal().encode() not in file.read_bytes()
        assert secret.reveal().removeprefix("sitebind_").encode() not in file.read_bytes()
    assert secret.reveal() not in repr(made)
    assert made.digest not in repr(made)


async def test_making_and_revoking_are_in_the_audit_trail(journal: SqliteJournal, book: TokenBook) -> None:
    """Who did it, which token, and what it may do."""
    made, _ = await book.create("scraper", frozenset({Scope.METRICS}), lifetime=None, caller=ME)
    await book.revoke(made.id, caller=ME)
    with pytest.raises(UnknownToken):
        await book.revoke(made.id, caller=ME)
    created, revoked = await journal.audit()
    assert (created.event, revoked.event) == ("token_created", "token_revoked")
    assert (created.actor, created.request_id) == ("unix:uid=0", "r-1")
    assert created.detail == {"token": made.id, "name": "scraper", "scopes": ["metrics"], "expires_at": None}
    assert (await journal.verify()).intact


async def test_a_revocation_that_is_not_recorded_did_not_happen(
    journal: SqliteJournal, book: TokenBook, path: Path
) -> None:
    """Audit and row are one transaction: with the audit table locked away the token stays, and stays valid."""
    made, _ = await book.create("a", READ, lifetime=None, caller=ME)

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TRIGGER spoil BEFORE DELETE ON tokens BEGIN SELECT RAISE(ABORT, 'no'); END")

    await journal.write(spoil)
    before = len(await journal.audit())
    with pytest.raises(JournalUnavailable):
        await book.revoke(made.id, caller=ME)
    assert book.find(made.digest) == made
    assert len(await journal.audit()) == before


async def test_last_use_is_kept_in_memory_and_written_by_the_flush(
    journal: SqliteJournal, book: TokenBook, path: Path, clock: ManualClock
) -> None:
    """A request costs no write."""
    made, _ = await book.create("a", READ, lifetime=None, caller=ME)
    book.note_use(made)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT last_used_at FROM tokens").fetchone() == (None,)
    assert book.all()[0].last_used_at == clock.now()
    await book.flush()
    again = TokenBook(SqliteTokens(journal), clock=clock)
    await again.load()
    assert again.all()[0].last_used_at == clock.now()


async def test_a_database_of_the_first_schema_gets_the_table(chain: Path) -> None:
    """What was recorded before is untouched."""
    with closing(sqlite3.connect(chain)) as connection:
        connection.executescript(
            "DROP TABLE tokens; DROP INDEX audit_by_time; DROP INDEX audit_by_actor; DROP INDEX audit_by_event; "
            "DROP INDEX audit_moves; DROP TABLE audit_anchors; DELETE FROM migrations WHERE number > 1;"
        )
    journal = SqliteJournal(chain)
    await journal.open()
    assert await SqliteTokens(journal).all() == []
    assert (await journal.verify()).records == 5
    await journal.close()
