"""Exchange Online's autodiscover in JSON: where it says that an address's mailbox lives. Nothing is followed.

Called by `graph_mailbox.py`. The question needs no sign-in and proves no mailbox: unknown addresses may be
answered too. What it does prove is a mailbox that lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

from daemon.ports import ProviderFault
from daemon.providers.answer import Answer
from daemon.providers.failure import with_request_id
from daemon.providers.http import HttpClient, Terms
from daemon.providers.quoting import quoted
from states import Fault

ENDPOINT: Final = "autodiscover"
"""The name that its calls are counted under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """Where autodiscover leads: `host` for people. `in_cloud`: to Exchange Online itself; `redirected`: not by name."""

    host: str
    in_cloud: bool
    redirected: bool
    secure: bool


async def lead_of(client: HttpClient, address: str, *, outlook: str, new_request_id: Callable[[], str]) -> Lead:
    """Ask Exchange Online at `outlook` where the mailbox of `address` is. Raises `ProviderFault`."""
    request_id = new_request_id()
    url = f"{outlook}/autodiscover/autodiscover.json/v1.0/{quote(address, safe='@')}?Protocol=EWS"
    answer = await client.call(
        "GET",
        url,
        endpoint=ENDPOINT,
        headers={"client-request-id": request_id},
        request_id=request_id,
        terms=Terms(redirects=True),
    )
    if 300 <= answer.status < 400:
        return read_lead(urljoin(url, answer.headers.get("Location", "")), outlook, answer=answer, redirected=True)
    said: dict[str, Any] = answer.json if isinstance(answer.json, dict) else {}
    named = said.get("Url")
    if answer.status == 200 and isinstance(named, str) and named:
        return read_lead(named, outlook, answer=answer, redirected=False)
    raise _refused(answer, said, address=address, outlook=outlook)


def read_lead(named: str, outlook: str, *, answer: Answer, redirected: bool) -> Lead:
    """Read an address that was named, or redirected to. Raises `ProviderFault`."""
    try:
        parts = urlsplit(named)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host:
        raise _malformed(answer, outlook, "names no address of a server")
    own = urlsplit(outlook)
    same = (host, port or 443) == (own.hostname, own.port or 443)
    return Lead(
        host=quoted(host, longest=120),
        in_cloud=same or _is_beside(host, own.hostname or ""),
        redirected=redirected,
        secure=parts.scheme == "https",
    )


def _is_beside(host: str, own: str) -> bool:
    """Whether two hosts share the domain of a service with several: outlook.office365.com and its neighbours."""
    domain = own.partition(".")[2]
    return "." in domain and host.endswith(f".{domain}")


def _refused(answer: Answer, said: Mapping[str, Any], *, address: str, outlook: str) -> ProviderFault:
    code, message = quoted(said.get("ErrorCode"), longest=80), quoted(said.get("ErrorMessage"))
    asked = f"autodiscover of {outlook} for {quoted(address, longest=120)} was answered with HTTP {answer.status}"
    words = ": ".join(filter(None, (asked, code, message)))
    if answer.status == 429:
        fault = Fault.THROTTLED
    elif answer.status >= 500:
        fault = Fault.SERVICE_ERROR
    elif code or answer.status == 404:
        fault = Fault.AUTODISCOVER_FAILED
    else:
        return _malformed(answer, outlook, "is not autodiscover's")
    return with_request_id(ProviderFault(fault, words, retry_after=answer.retry_after), answer.request_id)


def _malformed(answer: Answer, outlook: str, what: str) -> ProviderFault:
    kind = quoted(answer.headers.get("Content-Type", ""), longest=60) or "no content type"
    detail = f"the answer of {outlook} to autodiscover {what} (HTTP {answer.status}, {kind}, {len(answer.body)} bytes)"
    return with_request_id(ProviderFault(Fault.ANSWER_MALFORMED, detail), answer.request_id)
