"""One client of the feed: what waits for it, bounded, and how it catches up from the database.

A client that resumes, and one that is there when more is committed at once than it may hold, reads the audit trail
from the database until there is nothing more, and goes on with what is told. No record is lost on the way, because a
record is told after its commit, so what is not in the database yet is told later; and none comes twice, because each
is handed out only behind the last one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final, Protocol

from daemon.engine.happenings import KINDS, Counted, Happening, Kind, Recorded, RecordsGone, SiteChanged
from daemon.engine.operations import SiteView
from daemon.ports import AuditRecord

MOST_WAITING: Final = 1024
"""So many happenings may wait for a client; then it is dropped. Changes of a site and counters wait once each."""
BATCH: Final = 50
"""At most so many are handed out at once, so that encoding them does not hold the loop up."""
PAGE: Final = 100


class Trail(Protocol):
    """The audit trail, as far as it is needed here."""

    @property
    def last_seq(self) -> int:
        """The number of the last committed record; 0 when there is none."""

    @property
    def first_seq(self) -> int:
        """The number of the first record that is kept; those before it were pruned."""

    async def audit(self, *, site: str | None = None, after: int = 0, limit: int = 100) -> list[AuditRecord]:
        """Records with `seq > after` in order. Raises `JournalUnavailable`."""


class Subscription:
    """Implements `daemon.engine.happenings.Following`.

    `cut` is called when the client is dropped, `closed` once when it is over. With `after` older records come first;
    a number that no record has, as after a restored backup, begins with what comes now. Nothing but `only` comes.
    """

    def __init__(
        self,
        *,
        site: str | None,
        after: int | None,
        trail: Trail,
        look: Callable[[str], SiteView],
        cut: Callable[[], None],
        closed: Callable[[Subscription], None],
        only: frozenset[Kind] = KINDS,
    ) -> None:
        self.site = site
        self._only = only
        self.woken = asyncio.Event()
        self.dropped = False
        self._trail = trail
        self._look = look
        self._cut = cut
        self._closed = closed
        self._waiting: deque[Happening] = deque()
        self._sites: dict[str, None] = {}
        self._counted: Counted | None = None
        self._handed_out = after or 0
        self._newest_at_first = trail.last_seq
        self._of_another_trail = self._handed_out > self._newest_at_first
        self._floor = 0
        self._behind = after is not None and Recorded.kind in only
        self._committed_meanwhile = False

    def wants(self, site: str) -> bool:
        """Whether the client asked about this site."""
        return self.site is None or self.site == site

    def add(self, happening: Happening) -> None:
        """Let it wait for the client; a client for which too much waits is dropped."""
        if happening.kind not in self._only:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._drop()
            return
        self._waiting.append(happening)
        self.woken.set()

    def add_record(self, recorded: Recorded) -> None:
        """As `add`; a client that still reads older records finds this one in the database."""
        if self._behind:
            self._committed_meanwhile = True
        else:
            self.add(recorded)

    def fall_behind(self, first: int) -> None:
        """Records from number `first` on were committed, too many to wait: the client reads them."""
        if Recorded.kind not in self._only:
            return
        if not self._behind:
            self._behind, self._floor = True, first - 1
        self._committed_meanwhile = True
        self.woken.set()

    def change(self, site: str) -> None:
        """The site looks different now."""
        if SiteChanged.kind in self._only:
            self._sites[site] = None
            self.woken.set()

    def count(self, counted: Counted) -> None:
        """There are new counters."""
        if Counted.kind in self._only:
            self._counted = counted
            self.woken.set()

    async def take(self) -> list[Happening]:
        """What happened since: what waits, then what is read from the database, then the states that they led to."""
        self.woken.clear()
        taken = self._taken()
        if self._behind and not self._waiting:
            taken += await self._page()
        if not self._behind and not self._waiting:
            taken += self._states()
        if self._behind or self._waiting or self._sites:
            self.woken.set()
        return taken

    def close(self) -> None:
        """End it."""
        self._clear()
        self._closed(self)

    def _taken(self) -> list[Happening]:
        several = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        return [one for one in several if not isinstance(one, Recorded) or self._hand_out(one.record)]

    def _hand_out(self, record: AuditRecord) -> bool:
        """Whether this record is the next one; else the client has it already."""
        if record.seq <= self._handed_out:
            return False
        self._handed_out = record.seq
        return True

    async def _page(self) -> list[Happening]:
        if self._of_another_trail:
            await self._judge_number()
        self._committed_meanwhile = False
        after = max(self._handed_out, self._floor)
        records = await self._trail.audit(site=self.site, after=after, limit=PAGE)
        gone = self._gone(after)
        if len(records) < PAGE and not self._committed_meanwhile:
            # Nothing was committed since the page was asked for: whatever comes now is told.
            self._behind = False
        return [*gone, *(Recorded(record=record) for record in records if self._hand_out(record))]

    def _gone(self, after: int) -> list[Happening]:
        """What was pruned of the records behind that number. Asked for when they are read: none goes unsaid before."""
        first = self._trail.first_seq
        if after + 1 >= first:
            return []
        self._handed_out = first - 1
        return [RecordsGone(first=after + 1, last=first - 1)]

    async def _judge_number(self) -> None:
        """No record of the client's number was told yet: it is being committed, or is one of another database."""
        if not await self._trail.audit(after=self._handed_out - 1, limit=1):
            self._handed_out = self._newest_at_first
        self._of_another_trail = False

    def _states(self) -> list[Happening]:
        sites = list(islice(self._sites, BATCH))
        for site in sites:
            del self._sites[site]
        states: list[Happening] = [SiteChanged(view=self._look(site)) for site in sites]
        if self._counted is not None:
            states.append(self._counted)
            self._counted = None
        return states

    def _drop(self) -> None:
        self.dropped = True
        self.close()
        self._cut()

    def _clear(self) -> None:
        self._waiting.clear()
        self._sites.clear()
        self._counted, self._behind = None, False
        self.woken.set()
