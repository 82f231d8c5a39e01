"""What changed among the users since a link was given: `GET /v1.0/users/delta`. Routed to by `graph.py`.

The first round gives everybody, page by page, and ends with a delta link; each delta link gives what changed since.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

from daemon.sandbox.call import Answer, Call
from daemon.sandbox.graph_failures import bad_request, refuse
from daemon.sandbox.graph_kinds import USER
from daemon.sandbox.graph_pages import LARGEST, SKIP, Pages, raw_option, selected
from daemon.sandbox.tenant import Tenant

LIFE: Final = timedelta(days=7)
"""How long a delta link is good."""
_TOKEN: Final = "$deltatoken"  # noqa: S105 - the name of an option
_STALE: Final = frozenset({SKIP, _TOKEN, "$deltaToken"})
_NOT_HERE: Final = frozenset({"$top", "$orderby", "$expand", "$search", "$filter", "$count"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """What a delta link remembers: when it was given, and how each user looked then."""

    at: datetime
    looks: Mapping[str, str] = field(repr=False)


class DeltaCalls:
    """The handler."""

    def __init__(self, *, tenant: Tenant, pages: Pages, url: Callable[[], str]) -> None:
        self._tenant = tenant
        self._pages = pages
        self._url = url
        self._rounds: dict[str, _Round] = {}

    def users(self, call: Call) -> Answer:
        """Give one page of the changes."""
        for name in call.query:
            if name in _NOT_HERE:  # [gap] ours: the real one takes a filter by ids
                bad_request(f"The query option '{name}' is not supported with delta.")
        select = tuple({"id": None} | dict.fromkeys(selected(call.query, USER) or USER.plain))
        now = {one.id: USER.show(one, select) for one in self._tenant.people.values()}
        changes = self._changes(call, now)
        page, following = self._pages.cut(call, changes, size=min(self._tenant.page, LARGEST))
        body: dict[str, Any] = {"@odata.context": f"{self._url()}/v1.0/$metadata#users", "value": list(page)}
        if following is not None:
            body["@odata.nextLink"] = following
        else:
            body["@odata.deltaLink"] = self._pages.link(
                call, without=_STALE, option=_TOKEN, token=self._remember(call, now)
            )
        return Answer(body=body)

    def _changes(self, call: Call, now: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        given = raw_option(call, _TOKEN) or raw_option(call, "$deltaToken")
        if given is None:
            return list(now.values())
        if given == "latest":
            return []
        before = self._rounds.get(unquote(given))
        if before is None or call.service_time - before.at > LIFE:
            refuse(
                410,
                "syncStateNotFound",
                message="The sync state generation is not found; begin a full synchronization.",
                headers={"Location": self._pages.link(call, without=_STALE)},
            )
        changed = [record for known, record in now.items() if before.looks.get(known) != _look(record)]
        gone = [{"id": known, "@removed": {"reason": "changed"}} for known in before.looks if known not in now]
        return [*changed, *gone]

    def _remember(self, call: Call, now: dict[str, dict[str, Any]]) -> str:
        token = secrets.token_urlsafe(24)
        looks = {known: _look(record) for known, record in now.items()}
        self._rounds[token] = _Round(at=call.service_time, looks=looks)
        return token


def _look(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)
