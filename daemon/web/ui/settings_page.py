"""The forms that change a site's configuration file: one for each page that holds settings.

A form carries what it was made from. Only what differs is changed, so a form that was open for a day takes nothing
back that others did meanwhile, and two people who changed the same see both versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from daemon.config.options import BY_KEY
from daemon.engine.access import Access
from daemon.engine.config_views import (
    ConfigChanged,
    ConfigEdit,
    ConfigRejected,
    ConfigView,
    FieldFinding,
    Key,
    MergeLine,
    OptionView,
)
from daemon.engine.operations import ConfigWritten
from daemon.ports import Scope, Secret
from daemon.web.auth import PRINCIPAL, Door, caller
from daemon.web.gate import Handler
from daemon.web.ui.fields import GROUPS, label, name
from daemon.web.ui.forms import fields_of
from daemon.web.ui.frame import SiteFrame
from daemon.web.ui.notes import Note
from daemon.web.ui.rendering import see_other

Posted = Mapping[str, str]

_RESULTS = {
    "applied": "applied",
    "rebind": "applied; the site binds again with it",
    "needs_restart": "written; it takes effect when the daemon is restarted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Widget:
    """One field as it is shown: the option, what stands in the input, what the form was made from, and findings."""

    option: OptionView
    label: str
    name: str
    shown: str
    was: str
    findings: tuple[FieldFinding, ...]

    @property
    def help(self) -> tuple[str, ...]:
        """The ids of the texts that describe the input."""
        ids = [f"{self.name}-help"]
        return (f"{self.name}-wrong", *ids) if self.findings else tuple(ids)


class SettingsPage:
    """Shows and applies the settings of one page after another."""

    def __init__(self, frame: SiteFrame, access: Access, door: Door) -> None:
        self._frame = frame
        self._access = access
        self._door = door

    def showing(self, tab: str) -> Handler:
        """Shows a page that holds its form and nothing else of its own."""

        async def show(request: web.Request) -> web.StreamResponse:
            return self._frame.show(request, tab, await self.context(request, tab))

        return show

    def applying(self, tab: str) -> Handler:
        """Takes the form of a page."""

        async def apply(request: web.Request) -> web.StreamResponse:
            return await self._apply(request, tab)

        return apply

    async def context(self, request: web.Request, tab: str) -> dict[str, Any]:
        """What a page with settings needs; without the scope admin there are none to see."""
        site = request.match_info["site"]
        # What a page fetches by itself is its live parts, and no form is one of them.
        if Scope.ADMIN not in request[PRINCIPAL].scopes or "HX-Request" in request.headers:
            self._frame.operations.site(site)
            return {"form": None}
        await self._access.administers(caller(request), what="GET /api/v1/sites/{site}/config")
        return {"form": _form(tab, await self._frame.operations.config(site))}

    async def _apply(self, request: web.Request, tab: str) -> web.Response:
        """Write what was changed, and go on to the bind that it leads to."""
        site, posted = request.match_info["site"], fields_of(request)
        edit = edit_of(tab, posted)
        if not (edit.values or edit.secrets or edit.references):
            return self._back(request, tab, Note(text="Nothing was changed, so nothing was written."))
        if any(edit.secrets.values()):
            self._door.admit_one_time_credentials(request)
        try:
            written = await self._frame.operations.write_config(site, edit, caller=caller(request))
        except ConfigRejected as rejected:
            view = await self._frame.operations.config(site)
            return self._again(request, _form(tab, view, posted=posted, findings=rejected.findings), 422)
        except ConfigChanged as changed:
            return self._again(request, _form(tab, changed.view, posted=posted, merge=changed.merge), 412)
        return self._applied(request, tab, written)

    def _again(self, request: web.Request, form: dict[str, Any], status: int) -> web.Response:
        return self._frame.show(request, "settings_again", {"form": form, "tab_shown": form["tab"]}, status=status)

    def _applied(self, request: web.Request, tab: str, written: ConfigWritten) -> web.Response:
        changes = [f"{label(c.section, c.option)}: {_RESULTS[c.result]}" for c in written.reload.changes]
        kept = f" The file as it was is kept as {written.backup}." if written.backup else ""
        rejected = written.reload.outcome == "rejected"
        note = Note(
            text=("Written, but not everything applies." if rejected else "Written and applied.") + kept,
            lines=(*changes, *written.reload.findings),
            kind="warning" if rejected else "well",
        )
        if written.bind_id is None:
            return self._back(request, tab, note)
        left = self._frame.renderer.notes.leave(note)
        return see_other(self._frame.address(request, "bind", note=left))

    def _back(self, request: web.Request, tab: str, note: Note) -> web.Response:
        return see_other(self._frame.address(request, tab, note=self._frame.renderer.notes.leave(note)))


def edit_of(tab: str, posted: Posted) -> ConfigEdit:
    """What a form changes: every field that differs from what it was made from."""
    values: dict[Key, str | None] = {}
    secrets: dict[Key, Secret | None] = {}
    references: dict[Key, str] = {}
    was: dict[Key, str] = {}
    for key in (key for group in GROUPS[tab] for key in group.keys):
        field = name(*key)
        if BY_KEY[key].kind == "secret":
            _take_secret(key, field, posted, secrets=secrets, references=references)
            was[key] = posted.get(f"was.{field}", "")
            continue
        before, now = posted.get(f"was.{field}", ""), posted.get(field)
        if now is not None and now.strip() != before:
            values[key] = now.strip() or None
            was[key] = before
    return ConfigEdit(etag=posted.get("etag", ""), values=values, secrets=secrets, references=references, was=was)


def _take_secret(
    key: Key, field: str, posted: Posted, *, secrets: dict[Key, Secret | None], references: dict[Key, str]
) -> None:
    """An empty input leaves a secret as it is: what is set is never shown, so it cannot be sent back."""
    if posted.get(f"{field}.clear") == "yes":
        secrets[key] = None
    elif typed := posted.get(field, ""):
        secrets[key] = Secret(typed)
    elif reference := posted.get(f"{field}.reference", "").strip():
        references[key] = reference


def _form(
    tab: str,
    view: ConfigView,
    *,
    posted: Posted | None = None,
    findings: tuple[FieldFinding, ...] | None = None,
    merge: tuple[MergeLine, ...] = (),
) -> dict[str, Any]:
    """The form of a page, as its template wants it; `posted` is what somebody had typed into it."""
    found = view.findings if findings is None else findings
    by_key = {(option.section, option.option): option for option in view.options}
    groups = [
        (group, [_widget(by_key[key], posted or {}, found, merge) for key in group.keys if key in by_key])
        for group in GROUPS[tab]
    ]
    here = {(widget.option.section, widget.option.option) for _, widgets in groups for widget in widgets}
    return {
        "tab": tab,
        "view": view,
        "groups": groups,
        "etag": view.etag,
        "here": [finding for finding in found if (finding.section, finding.option) in here],
        "elsewhere": [finding for finding in found if (finding.section, finding.option) not in here],
        "merge": merge,
        "refused": findings is not None,
        "lost_secrets": bool(posted) and any(o.secret and (posted or {}).get(name(*k)) for k, o in by_key.items()),
    }


def _widget(
    option: OptionView, posted: Posted, findings: tuple[FieldFinding, ...], merge: tuple[MergeLine, ...]
) -> Widget:
    field = name(option.section, option.option)
    now = option.value if option.given else (option.default if option.choices else "")
    before = posted.get(f"was.{field}", now)
    typed = posted.get(field, now)
    # What somebody changed stays as they typed it; the rest follows the file, also where it moved meanwhile.
    shown = "" if option.secret else (typed if typed.strip() != before else now)
    was = now if merge or not posted else before
    return Widget(
        option=option,
        label=label(option.section, option.option),
        name=field,
        shown=shown,
        was=option.fingerprint if option.secret else was,
        findings=tuple(f for f in findings if (f.section, f.option) == (option.section, option.option)),
    )
