"""`POST /-/reload`, the rebinds and the unbind: what makes the engine do something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from aiohttp import web

from daemon.engine.operations import Operations
from daemon.ports import BindReport
from daemon.web.answers import answer, bind_json, layers_json, reload_json, site_json
from daemon.web.auth import Door, caller
from daemon.web.errors import HttpProblem
from daemon.web.requests import doctor_order, json_object, rebind_order, seconds, unbind_order

T = TypeVar("T")

LONGEST_WAIT: Final = 300
_NAMED_SITES: Final = 20


class ControlHandlers:
    """Asks the engine; `stop_waiting` ends every `?wait=` at once when the server stops."""

    def __init__(self, operations: Operations, door: Door) -> None:
        self._operations = operations
        self._door = door
        self._waits: set[asyncio.Timeout] = set()

    async def reload(self, request: web.Request) -> web.Response:
        """200 applied or unchanged; 422 rejected: a problem document that holds the whole answer."""
        await json_object(request, fields=())
        reloaded = await self._operations.reload(caller=caller(request))
        document = reload_json(reloaded)
        if reloaded.outcome == "rejected":
            raise HttpProblem(
                422,
                "configuration-rejected",
                "The configuration has errors; the last good settings stay in force. See findings.",
                **document,
            )
        return answer(document)

    async def rebind_only_site(self, request: web.Request) -> web.Response:
        """The short way, for the only site or `?site=`."""
        return await self._rebind(request, request.query.get("site") or self._only_site())

    async def rebind(self, request: web.Request) -> web.Response:
        """202 with the bind's address; with `?wait=` 200 when it has ended within that time."""
        return await self._rebind(request, request.match_info["site"])

    async def unbind(self, request: web.Request) -> web.Response:
        """202 with the site while it is under way; with `?wait=` 200 when it has ended, well or not."""
        wait = seconds(request, "wait", most=LONGEST_WAIT)
        order = await unbind_order(request)
        site = request.match_info["site"]
        view = await self._operations.unbind(
            site, caller=caller(request), reason=order.reason, local_only=order.local_only
        )
        if wait and view.unbinding:
            view = await self._before_the_stop(self._operations.wait_for_unbind(site, seconds=wait), otherwise=view)
        headers = {"Location": f"/api/v1/sites/{view.id}"}
        return answer(site_json(view), status=202 if view.unbinding else 200, headers=headers)

    async def doctor(self, request: web.Request) -> web.Response:
        """200 with every layer, whatever was found."""
        sign_in = await doctor_order(request)
        site = request.match_info["site"]
        return answer(layers_json(await self._operations.doctor(site, caller=caller(request), sign_in=sign_in)))

    def stop_waiting(self) -> None:
        """Let every waiting request answer now with what is known."""
        for wait in tuple(self._waits):
            wait.reschedule(0)

    async def _rebind(self, request: web.Request, site: str) -> web.Response:
        wait = seconds(request, "wait", most=LONGEST_WAIT)
        order = await rebind_order(request)
        if order.one_time is not None:
            self._door.admit_one_time_credentials(request)
        report = await self._operations.rebind(
            site, caller=caller(request), reason=order.reason, one_time=order.one_time
        )
        if wait:
            report = await self._ended(report, wait)
        status = 202 if report.state == "open" or not wait else 200
        location = f"/api/v1/sites/{report.site}/binds/{report.id}"
        return answer(bind_json(report), status=status, headers={"Location": location})

    async def _ended(self, report: BindReport, wait: float) -> BindReport:
        waiting = self._operations.wait_for_bind(report.site, report.id, seconds=wait)
        return await self._before_the_stop(waiting, otherwise=report)

    async def _before_the_stop(self, waiting: Awaitable[T], *, otherwise: T) -> T:
        """What is waited for, or `otherwise` when the server stops meanwhile."""
        stopped = asyncio.timeout(None)
        try:
            async with stopped:
                self._waits.add(stopped)
                return await waiting
        except TimeoutError:
            if not stopped.expired():
                raise
            return otherwise
        finally:
            self._waits.discard(stopped)

    def _only_site(self) -> str:
        sites = self._operations.site_ids()
        if len(sites) == 1:
            return sites[0]
        if not sites:
            raise HttpProblem(409, "not-configured", "No site is configured.")
        more = f" and {len(sites) - _NAMED_SITES} more" if len(sites) > _NAMED_SITES else ""
        raise HttpProblem(
            400,
            "site-not-named",
            f"There are several sites; name one with ?site=: {', '.join(sites[:_NAMED_SITES])}{more}.",
            sites=sites[:_NAMED_SITES],
        )
