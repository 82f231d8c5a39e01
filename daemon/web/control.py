"""`POST /-/reload`, the rebinds and the unbind: what makes the engine do something."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from daemon.engine.operations import Operations
from daemon.ports import BindReport
from daemon.web.answers import (
    answer,
    bind_json,
    layers_json,
    moment_or_none,
    reload_json,
    site_json,
)
from daemon.web.auth import Door, caller
from daemon.web.errors import HttpProblem
from daemon.web.requests import doctor_order, json_object, rebind_order, seconds, unbind_order
from daemon.web.waits import Waits

LONGEST_WAIT: Final = 300
_NAMED_SITES: Final = 20


class ControlHandlers:
    """Asks the engine; a `?wait=` ends at once when the server stops."""

    def __init__(self, operations: Operations, door: Door, waits: Waits) -> None:
        self._operations = operations
        self._door = door
        self._waits = waits

    async def reload(self, request: web.Request) -> web.Response:
        """200 applied or unchanged; 422 rejected: a problem document that holds the whole answer."""
        await json_object(request, fields=())
        reloaded = await self._operations.reload(caller=caller(request))
        document = {**reload_json(reloaded), "in_force_since": moment_or_none(reloaded.in_force_since)}
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
            waiting = self._operations.wait_for_unbind(site, seconds=wait)
            view = await self._waits.at_most_until_the_stop(waiting, otherwise=view)
        headers = {"Location": f"/api/v1/sites/{view.id}"}
        return answer(site_json(view), status=202 if view.unbinding else 200, headers=headers)

    async def doctor(self, request: web.Request) -> web.Response:
        """200 with every layer, whatever was found."""
        sign_in = await doctor_order(request)
        site = request.match_info["site"]
        examination = self._operations.doctor(site, caller=caller(request), sign_in=sign_in)
        return answer(layers_json(await self._waits.for_result(examination)))

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
        return await self._waits.at_most_until_the_stop(waiting, otherwise=report)

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
