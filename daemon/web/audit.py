"""`GET /api/v1/audit`, `…/chain` and `…/export`: the audit trail in pages, whether it is intact, and to be kept."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, cast

from aiohttp import web

from daemon.engine.operations import Operations
from daemon.ports import AuditFilter, AuditRecord, Clock, ExportFormat, JournalUnavailable
from daemon.web.answers import answer, audit_json, chain_json
from daemon.web.audit_query import audit_filter, one_of
from daemon.web.auth import REQUEST_ID, caller
from daemon.web.gate import dress
from daemon.web.requests import page_size

_log = logging.getLogger("sitebind.web")

DEFAULT_PAGE: Final = 100
LARGEST_PAGE: Final = 1000
TAKEN_WITHIN: Final = 60.0
"""Seconds in which a client must take a piece of an export; who reads slower is cut off."""

_TAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MEDIA_TYPES: Final[dict[ExportFormat, str]] = {
    "jsonl": "application/x-ndjson; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
    "syslog": "text/plain; charset=utf-8",
    "cef": "text/plain; charset=utf-8",
    "ocsf": "application/x-ndjson; charset=utf-8",
}
_ENDINGS: Final[dict[ExportFormat, str]] = {"syslog": "log", "cef": "cef.log", "ocsf": "ocsf.jsonl"}


class AuditHandlers:
    """Shows the audit trail."""

    def __init__(self, operations: Operations, clock: Clock) -> None:
        self._operations = operations
        self._clock = clock

    async def records(self, request: web.Request) -> web.Response:
        """A page of records; `next` is the `after` that continues, or the `before` where the newest come first."""
        wanted = audit_filter(request, limit=page_size(request, default=DEFAULT_PAGE, most=LARGEST_PAGE))
        records = await self._operations.audit(wanted)
        return answer({"records": [audit_json(record) for record in records], "next": following(wanted, records)})

    async def chain(self, request: web.Request) -> web.Response:
        """Whether the chain is intact; with `fresh=1` as it is now."""
        fresh = one_of(request, "fresh", ("0", "1")) == "1"
        return answer(chain_json(await self._operations.chain(fresh=fresh)))

    async def export(self, request: web.Request) -> web.StreamResponse:
        """The records as a file. It breaks off where it cannot be finished, so that half of it never looks whole."""
        kind = cast("ExportFormat", one_of(request, "format", tuple(_MEDIA_TYPES)))
        limit = page_size(request, default=0, most=sys.maxsize) if "limit" in request.query else None
        wanted = audit_filter(request, limit=limit)
        headers = _headers(kind, _file_name(kind, wanted.site, self._clock.now()))
        if request.method == "HEAD":
            if wanted.site is not None:
                self._operations.site(wanted.site)
            return web.Response(headers=headers)
        pieces = await self._operations.export_audit(wanted, kind, caller=caller(request))
        first = await anext(pieces, b"")  # what keeps it from being read is still answered as a problem
        response = web.StreamResponse(headers=headers)
        dress(response, request[REQUEST_ID])
        await _send(request, response, first, pieces)
        return response


def following(wanted: AuditFilter, records: list[AuditRecord]) -> int:
    """Where the next page begins: what `after` must be, or `before` where the newest come first."""
    if records:
        return records[-1].seq
    return (wanted.before or 0) if wanted.newest_first else wanted.after


def _headers(kind: ExportFormat, name: str) -> dict[str, str]:
    return {
        "Content-Type": _MEDIA_TYPES[kind],
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def _file_name(kind: ExportFormat, site: str | None, at: datetime) -> str:
    """A name that sorts by time; a site stands in it where every file system takes its id."""
    of = f"-{site}" if site is not None and _TAME.fullmatch(site) else ""
    return f"sitebind-audit{of}-{at:%Y%m%dT%H%M%SZ}.{_ENDINGS.get(kind, kind)}"


async def _send(request: web.Request, response: web.StreamResponse, first: bytes, pieces: AsyncIterator[bytes]) -> None:
    """Nothing is raised from here on: the head is sent, and no other answer can be given."""
    try:
        await response.prepare(request)
        await _write(response, first)
        async for piece in pieces:
            await _write(response, piece)
        await response.write_eof()
    except ConnectionError:
        _log.debug("an export of the audit trail ended early: the client left")
    except TimeoutError:
        _break_off(request, f"the client took nothing for {TAKEN_WITHIN:.0f} s")
    except JournalUnavailable as error:
        _break_off(request, str(error))


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    if piece:
        async with asyncio.timeout(TAKEN_WITHIN):
            await response.write(piece)


def _break_off(request: web.Request, why: str) -> None:
    _log.warning("an export of the audit trail was broken off: %s", why, extra={"request_id": request[REQUEST_ID]})
    if request.transport is not None:
        request.transport.abort()
