"""The pages of one site that look beyond it: Connection with the doctor, Directory with the lookups."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from daemon.engine.operations import Lookup, RequestRefused
from daemon.ports import ProviderFault
from daemon.web.auth import caller
from daemon.web.errors import HttpProblem
from daemon.web.resolving import LONGEST
from daemon.web.ui.doctor_runs import DoctorRuns
from daemon.web.ui.frame import SiteFrame
from daemon.web.ui.rendering import see_other
from daemon.web.ui.settings_page import SettingsPage
from daemon.web.waits import Waits

SHOWN_MEMBERS: Final = 200


class SitePages:
    """Shows them."""

    def __init__(self, frame: SiteFrame, settings: SettingsPage, runs: DoctorRuns, waits: Waits) -> None:
        self._frame = frame
        self._settings = settings
        self._runs = runs
        self._waits = waits

    async def to_bind(self, request: web.Request) -> web.Response:
        """A site without a page: where it stands is what most come for."""
        return see_other(self._frame.address(request, "bind"))

    async def to_connection(self, request: web.Request) -> web.Response:
        """Where the doctor is."""
        return see_other(self._frame.address(request, "connection") + "#doctor")

    async def connection(self, request: web.Request) -> web.Response:
        """Proxy and certificates, and the doctor."""
        run = self._runs.of(request.match_info["site"])
        return self._frame.show(
            request, "connection", {**await self._settings.context(request, "connection"), "run": run}
        )

    async def doctor(self, request: web.Request) -> web.Response:
        """Begin a run of the doctor; the page shows its layers as they end."""
        self._runs.begin(request.match_info["site"], caller(request))
        return see_other(self._frame.address(request, "connection") + "#doctor")

    async def directory(self, request: web.Request) -> web.Response:
        """Look an address or a group up, and where that is done."""
        context = {**await self._settings.context(request, "directory"), **await self._looked_up(request)}
        return self._frame.show(request, "directory", context, status=200)

    async def _looked_up(self, request: web.Request) -> Mapping[str, Any]:
        """What `?wanted=` gave. A directory that does not answer is told in place, with its remedy."""
        asked = {
            "wanted": request.query.get("wanted", "").strip(),
            "members": request.query.get("members") == "yes",
            "fresh": request.query.get("fresh") == "yes",
        }
        nothing: dict[str, Any] = {"asked": asked, "found": None, "trouble": None, "most": SHOWN_MEMBERS}
        wanted = str(asked["wanted"])
        if not wanted:
            return nothing
        if len(wanted) > LONGEST or not wanted.isprintable():
            return {**nothing, "trouble": HttpProblem(422, "bad-field", "That is no address and no name of a group.")}
        lookup = Lookup(wanted=wanted, members=bool(asked["members"]), fresh=bool(asked["fresh"]))
        try:
            found = await self._waits.for_result(self._frame.operations.lookup(request.match_info["site"], lookup))
        except RequestRefused as refused:
            return {**nothing, "trouble": HttpProblem(409, refused.code, refused.reason)}
        except ProviderFault as fault:
            again = f" It is worth another try in {math.ceil(fault.retry_after)} s." if fault.retry_after else ""
            trouble = HttpProblem(502, fault.fault.code, fault.detail, remedy=fault.fault.remedy + again)
            return {**nothing, "trouble": trouble}
        return {**nothing, "found": found}
