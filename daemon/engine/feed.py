"""Tells whoever follows what happens as it happens: records, states, binds and their steps, layers, counters.

Told by the journal, the driver, the live binds and the front door; followed through `Operations.follow`. Telling never
waits, and costs nothing while nobody follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

from daemon.engine.chart import Told
from daemon.engine.driver import Driver
from daemon.engine.following import Subscription, Trail
from daemon.engine.happenings import (
    KINDS,
    BindChanged,
    Counted,
    Happening,
    Kind,
    LayerEnded,
    Recorded,
    StepEnded,
)
from daemon.engine.live import LiveBinds
from daemon.engine.operations import SiteView
from daemon.engine.recording import ending
from daemon.engine.tasks import Tasks
from daemon.ports import AuditRecord, Clock
from states import BindStep, Snapshot, State, Step

PULSE_SECONDS: Final = 1.0
"""How often the counters may change, and sites are looked at for what no step tells."""
LOOKED_AT: Final = 100
"""Sites looked at in one pulse, in turn."""
BURST: Final = 256
"""A group of more records does not wait for the clients; each reads them from the database."""


class Journal(Trail, Protocol):
    """The journal, as far as it is needed here."""

    def listen(self, listener: Callable[[int, Iterator[AuditRecord]], None]) -> None:
        """Tell `listener` of every committed group."""


def feed_over(journal: Journal, *, driver: Driver, live: LiveBinds, clock: Clock) -> Feed:
    """A feed that is told by these."""
    feed = Feed(trail=journal, snapshots=driver.snapshots, clock=clock)
    journal.listen(feed.recorded)
    driver.listen(feed.saw)
    live.listen(feed.stepped)
    return feed


class Feed:
    """`snapshots` are the driver's; `attach` says how a site is shown."""

    def __init__(self, *, trail: Trail, snapshots: Mapping[str, Snapshot], clock: Clock) -> None:
        self._trail = trail
        self._snapshots = snapshots
        self._clock = clock
        self._look: Callable[[str], SiteView] | None = None
        self._followers: dict[Subscription, None] = {}
        self._shown: dict[str, SiteView] = {}
        self._counted: Counted | None = None
        self._pulse: asyncio.Task[None] | None = None
        self._tasks = Tasks()

    def attach(self, look: Callable[[str], SiteView]) -> None:
        """Name who says how a site looks now."""
        self._look = look

    def follow(
        self, *, site: str | None, after: int | None, cut: Callable[[], None], only: frozenset[Kind] = KINDS
    ) -> Subscription:
        """Begin with how the sites look now and, with `after`, with the records behind that number.

        `cut` is called when the client is too slow and is dropped.
        """
        closed = self._unfollowed
        one = Subscription(
            site=site, after=after, trail=self._trail, look=self._show, cut=cut, closed=closed, only=only
        )
        for known in sorted(self._snapshots) if site is None else [site]:
            one.change(known)
        self._counted = self._count()
        one.count(self._counted)
        self._followers[one] = None
        if self._pulse is None:
            self._pulse = self._tasks.start(self._beat(), name="event feed")
        return one

    def recorded(self, count: int, records: Iterator[AuditRecord]) -> None:
        """A group of so many records was committed; they are made as they are asked for."""
        if not self._followers:
            return
        if count > BURST:
            first = self._trail.last_seq - count + 1
            for one in tuple(self._followers):
                one.fall_behind(first)
            return
        for record in records:
            happening = Recorded(record=record)
            for one in tuple(self._followers):
                if one.wants(record.site):
                    one.add_record(happening)

    def saw(self, step: Step) -> None:
        """A step was adopted."""
        if not self._followers or step.after is step.before:
            return
        site, before, after = step.after.site, step.before.open, step.after.open
        if before is not None and after != before:
            self._tell(BindChanged(site=site, bind_id=before.bind_id, state=ending(step.event)), site)
        if after is not None and after != before:
            self._tell(BindChanged(site=site, bind_id=after.bind_id, state="open"), site)
        self._changed(site)

    def stepped(self, site: str, bind_id: str, step: BindStep) -> None:
        """A step of an open bind ended."""
        if self._followers:
            self._tell(StepEnded(site=site, bind_id=bind_id, step=step), site)

    def telling_layers(self, site: str, *, run: str) -> Told:
        """What the doctor is to call with each layer of this run."""

        def told(layer: BindStep) -> None:
            if self._followers:
                self._tell(LayerEnded(site=site, run=run, layer=layer), site)

        return told

    def _tell(self, happening: Happening, site: str) -> None:
        for one in tuple(self._followers):
            if one.wants(site):
                one.add(happening)

    def _changed(self, site: str) -> None:
        self._shown.pop(site, None)
        for one in self._followers:
            if one.wants(site):
                one.change(site)

    def _show(self, site: str) -> SiteView:
        """How the site looks; what was shown first since its last change is what later looks are held against."""
        if self._look is None:
            raise RuntimeError("nobody said how a site is shown")
        view = self._look(site)
        self._shown.setdefault(site, view)
        return view

    def _unfollowed(self, one: Subscription) -> None:
        self._followers.pop(one, None)
        if not self._followers and self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None
            self._shown.clear()

    async def _beat(self) -> None:
        """What no step tells: the counters, and problems that come and go with time or belong to the process."""
        while True:
            await self._clock.sleep(PULSE_SECONDS)
            self._recount()
            for site in list(islice(self._shown, LOOKED_AT)):
                self._look_again(site)

    def _recount(self) -> None:
        counted, known = self._count(), self._counted
        if known is not None and (counted.sites, counted.records) == (known.sites, known.records):
            return
        self._counted = counted
        for one in self._followers:
            one.count(counted)

    def _look_again(self, site: str) -> None:
        shown = self._shown.pop(site)
        if self._show(site) != shown:  # which puts it at the end: next time the others come first
            self._changed(site)

    def _count(self) -> Counted:
        sites = dict.fromkeys(State, 0)
        for now in self._snapshots.values():
            sites[now.state] += 1
        return Counted(sites=sites, records=self._trail.last_seq - self._trail.first_seq + 1)
