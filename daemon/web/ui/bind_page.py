"""`/sites/{site}/bind`: where the site stands, the Bind dialog, its steps as they happen, and what was before."""

from __future__ import annotations

from typing import Any, Final, get_args

from aiohttp import web

from daemon.engine.operations import OneTimeSignIn, RequestRefused, SiteView, UserSignIn
from daemon.ports import BindReport, Secret
from daemon.web.auth import Door, caller
from daemon.web.errors import HttpProblem
from daemon.web.requests import LONGEST_EMAIL, LONGEST_PASSWORD
from daemon.web.ui.drawing import state_diagram
from daemon.web.ui.forms import fields_of
from daemon.web.ui.frame import SiteFrame
from daemon.web.ui.notes import Note
from daemon.web.ui.rendering import see_other
from daemon.web.ui.settings_page import SettingsPage

SHOWN: Final = 20
_ASKED: Final = "asked for on the page"


class BindPage:
    """Shows, binds and unbinds."""

    def __init__(self, frame: SiteFrame, settings: SettingsPage, *, door: Door) -> None:
        self._frame = frame
        self._settings = settings
        self._door = door

    async def show(self, request: web.Request) -> web.Response:
        """The page; `?bind=` is the report that is shown at full length, else the newest."""
        return await self._page(request)

    async def bind(self, request: web.Request) -> web.Response:
        """Ask for a bind, with the credentials typed into the dialog or with those that are configured."""
        site, fields = request.match_info["site"], fields_of(request)
        email, password = fields.get("email", "").strip(), fields.get("password", "")
        wrong = _wrong(email, password)
        if wrong:
            return await self._page(request, typed={"email": email}, wrong=wrong, status=422)
        one_time = _one_time(fields, email, password) if email else None
        if one_time is not None:
            self._door.admit_one_time_credentials(request)
        try:
            await self._frame.operations.rebind(site, caller=caller(request), reason=_ASKED, one_time=one_time)
        except RequestRefused as refused:
            return await self._page(request, typed={"email": email}, refused=refused, status=409)
        # The page without a report's id shows the newest: this one, and then whatever its retries come to.
        return see_other(self._frame.address(request, "bind"))

    async def confirm_unbind(self, request: web.Request) -> web.Response:
        """What an unbind would do, before it is done."""
        return self._frame.show(request, "unbind")

    async def unbind(self, request: web.Request) -> web.Response:
        """Unbind, as confirmed."""
        local_only = fields_of(request).get("local_only") == "yes"
        site = request.match_info["site"]
        await self._frame.operations.unbind(site, caller=caller(request), reason=_ASKED, local_only=local_only)
        note = self._frame.renderer.notes.leave(Note(text="Unbinding has begun; what comes of it shows here."))
        return see_other(self._frame.address(request, "bind", note=note))

    async def _page(
        self,
        request: web.Request,
        *,
        typed: dict[str, str] | None = None,
        wrong: dict[str, str] | None = None,
        refused: RequestRefused | None = None,
        status: int = 200,
    ) -> web.Response:
        reports = await self._frame.operations.binds(request.match_info["site"], limit=SHOWN)
        report = await self._report(request, reports)
        site = self._frame.operations.site(request.match_info["site"])
        context: dict[str, Any] = {
            "reports": reports,
            "report": report,
            "newest": reports[0] if reports else report,
            "heading": _heading(report, reports, site),
            "diagram": state_diagram(site.state, held=site.binding is not None),
            "typed": typed or {},
            "wrong": wrong or {},
            "refused": refused,
            "types": get_args(UserSignIn),
            **await self._settings.context(request, "bind"),
        }
        return self._frame.show(request, "bind", context, status=status)

    async def _report(self, request: web.Request, reports: list[BindReport]) -> BindReport | None:
        wanted = request.query.get("bind", "")
        newest = reports[0] if reports else None
        # The one under way is what matters, whichever report somebody came to read.
        if not wanted or (newest is not None and newest.state == "open"):
            return newest
        return await self._frame.operations.bind(request.match_info["site"], wanted)


def _heading(report: BindReport | None, reports: list[BindReport], site: SiteView) -> str:
    """What the report is headed with: never a state that the site has left since."""
    if report is None:
        return "Validation"
    if report.state == "open":
        return "Binding…"
    if reports and report.id != reports[0].id:
        return "An earlier bind"
    headings = {"succeeded": "Bound", "failed": "Failed", "cancelled": "Cancelled"}
    left = report.state == "succeeded" and site.binding is None
    return "The last bind" if left else headings[report.state]


def _wrong(email: str, password: str) -> dict[str, str]:
    """What is wrong with the dialog, by field; both empty means the configured sign-in."""
    if not email and not password:
        return {}
    if not email:
        return {"email": "Type the e-mail address that the password belongs to."}
    if "@" not in email or not email.isprintable() or len(email) > LONGEST_EMAIL:
        return {"email": "This is not an e-mail address."}
    if len(password) > LONGEST_PASSWORD:
        return {"password": f"A password has {LONGEST_PASSWORD} characters at most; this one is longer."}
    return {} if password else {"password": "Type the password, or leave both empty to use the configured sign-in."}


def _one_time(fields: dict[str, str], email: str, password: str) -> OneTimeSignIn:
    match fields.get("authentication_type", ""):
        case "":
            return OneTimeSignIn(email=email, password=Secret(password))
        case "cloud" | "domain" as how:
            return OneTimeSignIn(email=email, password=Secret(password), authentication_type=how)
        case _:
            raise HttpProblem(422, "bad-field", "The authentication type must be cloud or domain.")
