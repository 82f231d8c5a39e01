"""`GET|PUT /api/v1/sites/{site}/config`: a site's configuration file, its secrets only ever on their way in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from aiohttp import web

from daemon.config.options import BY_KEY
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
from daemon.engine.operations import ConfigWritten, Operations
from daemon.ports import Secret
from daemon.web.answers import Json, answer, moment, reload_json
from daemon.web.auth import Door, caller
from daemon.web.errors import HttpProblem
from daemon.web.requests import json_object

_STRONG: Final = re.compile(r'"[\x21\x23-\x7e]*"')
_ANY: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e]*")')


class ConfigHandlers:
    """Shows and changes."""

    def __init__(self, operations: Operations, door: Door) -> None:
        self._operations = operations
        self._door = door

    async def show(self, request: web.Request) -> web.StreamResponse:
        """200 with every option; 304 for who has this version already."""
        view = await self._operations.config(request.match_info["site"])
        headers = {"ETag": view.etag}
        if _has(request, view.etag):
            return web.Response(status=304, headers={**headers, "Cache-Control": "no-store"})
        return answer(config_json(view), headers=headers)

    async def change(self, request: web.Request) -> web.StreamResponse:
        """200 when it is written and applied, with what became of each option."""
        etag = _seen(request)
        edit = config_edit(await json_object(request, fields=("options", "was")), etag=etag)
        if any(edit.secrets.values()):
            self._door.admit_one_time_credentials(request)
        site = request.match_info["site"]
        try:
            written = await self._operations.write_config(site, edit, caller=caller(request))
        except ConfigRejected as rejected:
            raise _invalid(rejected) from None
        except ConfigChanged as changed:
            raise _conflict(changed) from None
        return answer(written_json(site, written), headers={"ETag": written.etag})


def config_json(view: ConfigView) -> Json:
    """A site's file, options by section."""
    sections: dict[str, Json] = {}
    for option in view.options:
        sections.setdefault(option.section, {})[option.option] = _option(option)
    return {
        "site": view.site,
        "file": view.file,
        "etag": view.etag,
        "managed": view.managed,
        "options": sections,
        "findings": findings_json(view.findings),
    }


def written_json(site: str, written: ConfigWritten) -> Json:
    """What a change did."""
    bind = written.bind_id
    return {
        "etag": written.etag,
        "backup": written.backup,
        "reload": reload_json(written.reload),
        "bind": None if bind is None else f"/api/v1/sites/{site}/binds/{bind}",
    }


def findings_json(findings: Iterable[FieldFinding]) -> list[Json]:
    """Findings, each at its option."""
    return [
        {
            "section": finding.section,
            "option": finding.option,
            "line": finding.line,
            "severity": finding.severity,
            "text": finding.text,
            "remedy": finding.remedy,
        }
        for finding in findings
    ]


def config_edit(body: Mapping[str, Any], *, etag: str) -> ConfigEdit:
    """The body of a change. Raises `HttpProblem` that names the field and repeats nothing of it."""
    if "options" not in body:
        _refuse("options", "is missing: what is to be changed, by section and option")
    values: dict[Key, str | None] = {}
    secrets: dict[Key, Secret | None] = {}
    references: dict[Key, str] = {}
    for key, given in _by_key(body, "options"):
        option = BY_KEY.get(key)
        if given is None and option is not None and option.kind == "secret":
            secrets[key] = None
        elif given is None or isinstance(given, str):
            values[key] = given
        elif isinstance(given, dict) and list(given) == ["secret"] and isinstance(given["secret"], str):
            secrets[key] = Secret(given["secret"])
        elif isinstance(given, dict) and list(given) == ["reference"] and isinstance(given["reference"], str):
            references[key] = given["reference"]
        else:
            _refuse(_name(key), 'must be text, {"secret": TEXT}, {"reference": "file:…"} or null')
    return ConfigEdit(etag=etag, values=values, secrets=secrets, references=references, was=_was(body))


def _was(body: Mapping[str, Any]) -> dict[Key, str]:
    found: dict[Key, str] = {}
    for key, given in _by_key(body, "was"):
        if not isinstance(given, str):
            _refuse(_name(key), "in was must be text: the value that was seen, or a secret's fingerprint")
        found[key] = given
    return found


def _by_key(body: Mapping[str, Any], field: str) -> Iterable[tuple[Key, Any]]:
    sections = body.get(field, {})
    if not isinstance(sections, dict):
        _refuse(field, "must be an object of sections")
    for section, entries in sections.items():
        if not isinstance(entries, dict):
            _refuse(f"{field}.{_printable(section)}", "must be an object of options")
        for name, given in entries.items():
            yield (section, name), given


def _name(key: Key) -> str:
    """The option, should there be one; what else was sent as a name may be a secret in the wrong place."""
    return f"options.{key[0]}.{key[1]}" if key in BY_KEY else "options"


def _printable(section: str) -> str:
    return section if any(section == known for known, _ in BY_KEY) else "…"


def _refuse(field: str, why: str) -> NoReturn:
    raise HttpProblem(400, "bad-field", f"{field}: {why}.", field=field)


def _seen(request: web.Request) -> str:
    """The version that the caller saw, from If-Match. Raises `HttpProblem`."""
    given = ", ".join(request.headers.getall("If-Match", ())).strip()
    if not given or given == "*":
        raise HttpProblem(
            428,
            "if-match-required",
            "A change needs If-Match with the ETag of the version that it was made from; * would overwrite whatever is "
            "there.",
            remedy="GET the configuration, change what it shows, and send its ETag back.",
        )
    if not _STRONG.fullmatch(given.removeprefix("W/")):
        raise HttpProblem(400, "bad-header", 'If-Match must be one ETag, as "…".', field="If-Match")
    return given


def _has(request: web.Request, etag: str) -> bool:
    given = ", ".join(request.headers.getall("If-None-Match", ())).strip()
    return given == "*" or etag in _ANY.findall(given)


def _invalid(rejected: ConfigRejected) -> HttpProblem:
    detail = "The configuration would have errors; nothing was written. See findings."
    return HttpProblem(422, "config-invalid", detail, findings=findings_json(rejected.findings))


def _conflict(changed: ConfigChanged) -> HttpProblem:
    return HttpProblem(
        412,
        "config-changed",
        "The file was changed since this version was read; nothing was written. See merge.",
        headers={"ETag": changed.view.etag},
        config=config_json(changed.view),
        merge=[_merge_line(line) for line in changed.merge],
    )


def _merge_line(line: MergeLine) -> Json:
    return {
        "section": line.section,
        "option": line.option,
        "was": line.was,
        "theirs": line.theirs,
        "yours": line.yours,
        "conflict": line.conflict,
    }


def _option(option: OptionView) -> Json:
    shown: Json = {
        "value": option.value,
        "default": option.default,
        "given": option.given,
        "secret": option.secret,
        "impact": option.impact,
        "meaning": option.meaning,
        "choices": list(option.choices),
    }
    if option.secret:
        shown |= {
            "kind": option.kind,
            "reference": option.reference,
            "fingerprint": option.fingerprint,
            "set_at": None if option.set_at is None else moment(option.set_at),
        }
    return shown
