"""Who may call, as the engine keeps it: tokens, what is recorded of calls, and the groups of the socket.

Called by `daemon.web`; started and stopped by the supervisor.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from daemon.engine.operations import Caller
from daemon.engine.tasks import Tasks
from daemon.engine.thinning import Recorder, Thinned, Timers
from daemon.engine.tokens import TokenBook
from daemon.ports import ApiToken, Clock, JournalEntry, JournalUnavailable, TokenStore

_log = logging.getLogger("sitebind.access")

FLUSH_SECONDS: Final = 300.0
"""How often the last use of tokens is written, at most: a crash forgets so much of it."""

_FLUSH_KEY: Final = ("", "write when tokens were used")


class Access:
    """Tokens with their last use, and the audit of refusals and of administration.

    `requests` thins what the lifecycle refuses, for the driver.
    """

    def __init__(self, store: TokenStore, *, journal: Recorder, clock: Clock, timers: Timers, tasks: Tasks) -> None:
        self.tokens = TokenBook(store, clock=clock)
        self.requests = Thinned("refused requests", journal=journal, clock=clock, timers=timers, tasks=tasks)
        self._journal = journal
        self._clock = clock
        self._timers = timers
        self._tasks = tasks
        self._refusals = Thinned("refused calls", journal=journal, clock=clock, timers=timers, tasks=tasks)
        self._flush_is_due = False

    async def open(self) -> None:
        """Read the tokens. Raises `JournalUnavailable`."""
        await self.tokens.load()

    async def close(self) -> None:
        """Write what is only in memory: counted refusals, and when tokens were used."""
        await self.requests.close()
        await self._refusals.close()
        await self._flush()

    def used(self, token: ApiToken) -> None:
        """A token let somebody in."""
        self.tokens.note_use(token)
        if not self._flush_is_due:
            self._flush_is_due = True
            due = self._clock.now() + timedelta(seconds=FLUSH_SECONDS)
            self._timers.at(due, _FLUSH_KEY, self._flush_soon)

    def refused(self, caller: Caller, *, key: str, code: str, status: int, what: str) -> None:
        """A call was refused. `key` is who is behind it, `what` the method and the pattern of the path."""
        entry = self._entry(caller, "call_refused", {"code": code, "status": status, "call": what})
        self._refusals.record(key, code, entry)

    async def administers(self, caller: Caller, *, what: str) -> None:
        """Record that somebody uses the scope admin, before it is done. Raises `JournalUnavailable`."""
        await self._journal.append(self._entry(caller, "admin_used", {"call": what}))

    async def signed(self, actor: str, request_id: str, *, event: str) -> None:
        """Record that somebody signed in to the page, or out. Raises `JournalUnavailable`."""
        await self._journal.append(self._entry(Caller(actor=actor, request_id=request_id), event, {}))

    def _entry(self, caller: Caller, event: str, detail: dict[str, object]) -> JournalEntry:
        return JournalEntry(
            at=self._clock.now(),
            site="",
            actor=caller.actor,
            event=event,
            before="",
            after="",
            request_id=caller.request_id,
            detail=detail,
        )

    def _flush_soon(self) -> None:
        self._flush_is_due = False
        self._tasks.start(self._flush(), name="write when tokens were used")

    async def _flush(self) -> None:
        try:
            await self.tokens.flush()
        except JournalUnavailable as error:
            _log.warning("when tokens were used could not be written: %s", error)
