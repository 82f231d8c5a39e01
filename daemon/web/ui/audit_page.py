"""`/sites/{site}/audit`: what happened, who did it, and whether anybody has touched the records since."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from daemon.ports import AuditFilter, AuditRecord, Clock
from daemon.web.ui.frame import SiteFrame
from daemon.web.ui.timeline import timeline, timeline_rows

PER_PAGE: Final = 50
PERIODS: Final = {"day": timedelta(hours=24), "month": timedelta(days=30)}
_MOST_ROWS: Final = 200
_TELLING: Final = ("fault", "reason", "code", "call", "account_code", "options")
_LARGEST_SEQ: Final = 2**53
ROUTINE: Final = ("binding_verified",)
"""What each site writes every quarter of an hour while all is well: half a day of it would fill the page."""
_EVENT: Final = re.compile(r"[a-z][a-z0-9_]*")
_MOST_EVENTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The form as it was filled in. `wrong` says by field what cannot be understood."""

    site: str
    actor: str = ""
    event: str = ""
    since: str = ""
    until: str = ""
    all_sites: bool = False
    routine: bool = False
    period: str = "day"
    before: int | None = None
    wrong: Mapping[str, str]

    def filter(self) -> AuditFilter:
        """What it asks of the trail; what cannot be understood narrows nothing."""
        return AuditFilter(
            site=None if self.all_sites else self.site,
            actor=f"{self.actor}*" if self.actor else None,
            events=tuple(self.event.split()),
            without=ROUTINE if self.leaves_out_routine else (),
            since=_moment(self.since),
            until=_moment(self.until),
            before=self.before,
            newest_first=True,
            limit=PER_PAGE,
        )

    @property
    def leaves_out_routine(self) -> bool:
        """Whether routine records are not shown: who names an event gets it. They are exported all the same."""
        return not self.routine and not self.event

    def address(self, **more: str) -> str:
        """The query of the same with something else."""
        given = {
            "actor": self.actor,
            "event": self.event,
            "since": self.since,
            "until": self.until,
            "all": "yes" if self.all_sites else "",
            "routine": "yes" if self.routine else "",
            "period": self.period if self.period != "day" else "",
            **more,
        }
        return urlencode({name: value for name, value in given.items() if value})

    def export(self, kind: str) -> str:
        """The address of the same records as a file."""
        wanted = self.filter()
        query: list[tuple[str, str]] = [("format", kind)]
        query += [("site", self.site)] if wanted.site else []
        query += [("actor", wanted.actor)] if wanted.actor else []
        query += [("event", event) for event in wanted.events]
        for name, at in (("since", wanted.since), ("until", wanted.until)):
            query += [(name, at.isoformat().replace("+00:00", "Z"))] if at else []
        return f"/api/v1/audit/export?{urlencode(query)}"


class AuditPage:
    """Shows it."""

    def __init__(self, frame: SiteFrame, clock: Clock) -> None:
        self._frame = frame
        self._clock = clock

    async def show(self, request: web.Request) -> web.Response:
        """The records that the form asks for, newest first, with the chain's status and the states over time."""
        asked = asked_of(request)
        operations = self._frame.operations
        operations.site(asked.site)
        records = await operations.audit(asked.filter())
        end = self._clock.now()
        begin = end - PERIODS[asked.period]
        history = await operations.state_history(asked.site, begin)
        rows = timeline_rows(history)
        chain = await operations.chain()
        context: dict[str, Any] = {
            "asked": asked,
            "routine": ROUTINE,
            "records": [Shown(record) for record in records],
            "older": records[-1].seq if len(records) == PER_PAGE else None,
            "chain": chain,
            "pruned_at": None if chain.anchor is None else datetime.fromisoformat(chain.anchor.at),
            "drawing": timeline(history, begin=begin, end=end),
            "rows": rows[-_MOST_ROWS:],
            "left_out": max(0, len(rows) - _MOST_ROWS),
            "complete": history.complete,
        }
        return self._frame.show(request, "audit", context)


@dataclass(frozen=True, slots=True)
class Shown:
    """A record as the page shows it."""

    record: AuditRecord

    @property
    def at(self) -> datetime:
        """When it was written."""
        return datetime.fromisoformat(self.record.at)

    @property
    def detail(self) -> str:
        """Its detail, set out."""
        return json.dumps(dict(self.record.detail), indent=2, ensure_ascii=False) if self.record.detail else ""

    @property
    def gist(self) -> str:
        """What matters most of its detail, on one line."""
        said = self.record.detail
        named = [text for name in _TELLING if isinstance(text := said.get(name), str) and text]
        return ": ".join(named) or (f"attempt {said['attempt']}" if "attempt" in said else "")


def asked_of(request: web.Request) -> Asked:
    """The form from the query."""
    query = request.query
    period, before = query.get("period", "day"), query.get("before", "")
    times = {name: query.get(name, "").strip()[:40] for name in ("since", "until")}
    wrong = {
        name: "Write it as 2026-03-04T12:00, in UTC." for name, text in times.items() if text and not _moment(text)
    }
    return Asked(
        site=request.match_info["site"],
        actor=query.get("actor", "").replace("*", "").strip()[:200],
        event=" ".join(_EVENT.findall(query.get("event", "").lower())[:_MOST_EVENTS]),
        since=times["since"],
        until=times["until"],
        all_sites=query.get("all") == "yes",
        routine=query.get("routine") == "yes",
        period=period if period in PERIODS else "day",
        before=min(int(before), _LARGEST_SEQ) if before.isascii() and before.isdigit() and len(before) < 17 else None,
        wrong=wrong,
    )


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # a time zone can move the first of all years before it
        return None
