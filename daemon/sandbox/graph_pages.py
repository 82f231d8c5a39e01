"""Lists of Graph, page by page: what is selected, filtered, counted, and the link to the next page.

The link must be followed as it stands. Its token holds characters that a client changes which takes the link
apart and puts it together again; a changed token is refused.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

from daemon.sandbox.call import Answer, Call
from daemon.sandbox.graph_failures import bad_request, refuse
from daemon.sandbox.graph_filters import Condition, parse_filter, parse_search
from daemon.sandbox.graph_kinds import Kind, kind_of

LARGEST: Final = 999
_USUAL: Final = 100
SKIP: Final = "$skiptoken"
_OPTIONS: Final = frozenset({"$select", "$top", "$filter", "$search", "$count", SKIP})
# In base64 these bytes are ++++////, quoted %2B and %2F; many a library "repairs" the latter.
_HARD_TO_QUOTE: Final = b"\xfb\xef\xbe\xff\xff\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a call wants of a list."""

    kind: Kind
    select: tuple[str, ...]
    conditions: tuple[Condition, ...]
    counted: bool
    top: int

    @classmethod
    def of(cls, call: Call, kind: Kind, *, advanced: bool = False) -> Wanted:
        """Read the query; refuses with 400 what Graph would. `advanced`: the path alone makes it so."""
        for name in call.query:
            if name.startswith("$") and name not in _OPTIONS:
                bad_request(f"The query option '{name[:40]}' is not supported here.")
        conditions = _conditions(call.query, kind)
        eventual = call.headers.get("ConsistencyLevel", "").casefold() == "eventual"
        counted = eventual and call.query.get("$count", "").casefold() == "true"
        # [gap] ours: $search, too, wants the count beside the header.
        if (advanced or any(condition.advanced for condition in conditions)) and not counted:
            refuse(
                400,
                "Request_UnsupportedQuery",
                message="This query needs the header ConsistencyLevel: eventual and $count=true.",
            )
        return cls(
            kind=kind,
            select=selected(call.query, kind),
            conditions=conditions,
            counted=counted,
            top=_top(call.query),
        )

    def holds(self, item: object) -> bool:
        """Tell whether an object is wanted."""
        return all(condition.holds(item) for condition in self.conditions)


def selected(query: Mapping[str, str], kind: Kind) -> tuple[str, ...]:
    """Read `$select`; empty where there is none."""
    names = tuple(name.strip() for name in query.get("$select", "").split(",") if name.strip())
    for name in names:
        if name not in kind.properties:
            bad_request(
                f"Parsing OData Select and Expand failed: Could not find a property named '{name[:60]}' "
                f"on type '{kind.odata_type}'."
            )
    return names


def _conditions(query: Mapping[str, str], kind: Kind) -> tuple[Condition, ...]:
    found = []
    if "$filter" in query:
        found.append(parse_filter(query["$filter"], kind))
    if "$search" in query:
        found.append(parse_search(query["$search"], kind))
    return tuple(found)


def _top(query: Mapping[str, str]) -> int:
    text = query.get("$top", str(_USUAL))
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= LARGEST:
        bad_request(f"Invalid page size specified: must be between 1 and {LARGEST} inclusive.")
    return int(text)


class Pages:
    """Cuts lists into pages. `url` is the host's address."""

    def __init__(self, *, url: Callable[[], str]) -> None:
        self._url = url
        self._key = secrets.token_bytes(32)

    def cut(self, call: Call, items: Sequence[object], *, size: int) -> tuple[Sequence[object], str | None]:
        """Give the page that the call asks for, and the link to the next one."""
        start = self._start(call)
        end = start + size
        following = self._next(call, end) if end < len(items) else None
        return items[start:end], following

    def answer(self, call: Call, wanted: Wanted, *, items: Sequence[object], size: int, typed: bool) -> Answer:
        """Answer with one page of the items wanted. `typed`: each says of which kind it is."""
        fitting = [item for item in items if wanted.holds(item)] if wanted.conditions else items
        page, following = self.cut(call, fitting, size=min(size, wanted.top))
        body: dict[str, Any] = {"@odata.context": f"{self._url()}/v1.0/$metadata#{wanted.kind.name}s"}
        if wanted.counted:
            body["@odata.count"] = len(fitting)
        if following is not None:
            body["@odata.nextLink"] = following
        body["value"] = [shown(item, wanted.select, typed=typed) for item in page]
        return Answer(body=body)

    def link(self, call: Call, *, without: Collection[str], option: str = "", token: str = "") -> str:
        """Write a link to the same list, `without` some of the call's options and with another one."""
        kept = [pair for pair in call.raw_query.split("&") if pair and _name(pair) not in without]
        query = "&".join([*kept, f"{option}={quote(token, safe='')}"] if option else kept)
        return f"{self._url()}{quote(call.path, safe='/$@()')}?{query}"

    def _next(self, call: Call, start: int) -> str:
        return self.link(call, without={SKIP}, option=SKIP, token=self._seal(call, start))

    def _start(self, call: Call) -> int:
        token = raw_option(call, SKIP)
        if token is None:
            return 0
        packed = unquote(token)
        try:
            content = base64.b64decode(packed, validate=True)
        except ValueError:
            content = b""
        start = int.from_bytes(content[-4:], "big")
        if quote(self._seal(call, start), safe="") != token:
            bad_request("The skip token is not valid: it was changed on the way, or belongs to another query.")
        return start

    def _seal(self, call: Call, start: int) -> str:
        rest = [f"{name}={value}" for name, value in sorted(call.query.items()) if name != SKIP]
        scope = "\n".join([call.path, *rest, str(start)])
        proof = hmac.digest(self._key, scope.encode(), "sha256")[:12]
        return base64.b64encode(_HARD_TO_QUOTE + proof + start.to_bytes(4, "big")).decode()


def shown(item: object, select: Sequence[str], *, typed: bool) -> dict[str, Any]:
    """Show an object as it travels."""
    kind = kind_of(item)
    record = kind.show(item, select)
    return {"@odata.type": f"#{kind.odata_type}", **record} if typed else record


def raw_option(call: Call, option: str) -> str | None:
    """Give the value of a query option as it was sent, not decoded."""
    for pair in call.raw_query.split("&"):
        if _name(pair) == option:
            return pair.partition("=")[2]
    return None


def _name(pair: str) -> str:
    return unquote(pair.partition("=")[0])
