"""Exchange Online, simulated: autodiscover in JSON, and Exchange Web Services for bearers. Routed to by `graph.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import quote

from daemon.sandbox.access_tokens import AccessTokens
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.cloud import Route
from daemon.sandbox.exchange_online import OnlineEws
from daemon.sandbox.script import Endpoint, Script, Trouble
from daemon.sandbox.tenant import Tenant

EWS_PATH: Final = "/EWS/Exchange.asmx"
_JSON_PATH: Final = "/autodiscover/autodiscover.json"
_MOST_REDIRECTS: Final = 10


class Outlook:
    """The handlers. `url` is this host's address, `exchange_url` that of Exchange on premises."""

    def __init__(
        self,
        *,
        tenant: Tenant,
        script: Script,
        tokens: AccessTokens,
        url: Callable[[], str],
        exchange_url: Callable[[], str],
    ) -> None:
        self._ews = OnlineEws(tenant=tenant, script=script, tokens=tokens, url=url)
        self._tenant = tenant
        self._script = script
        self._url = url
        self._exchange_url = exchange_url

    def find(self, path: str) -> Route | None:
        """Find what answers on a path."""
        folded = path.casefold()
        if folded == EWS_PATH.casefold():
            return Route(endpoint=Endpoint.EWS, handle=self._ews.answer)
        if folded == _JSON_PATH:
            return Route(endpoint=Endpoint.AUTODISCOVER, handle=self._by_query, method="GET")
        if folded.startswith(f"{_JSON_PATH}/v1.0/"):
            address = path[len(f"{_JSON_PATH}/v1.0/") :]
            return Route(endpoint=Endpoint.AUTODISCOVER, handle=partial(self._discover, address), method="GET")
        return None

    def _by_query(self, call: Call) -> Answer:
        return self._discover(call.query.get("Email", ""), call)

    def _discover(self, address: str, call: Call) -> Answer:
        """Say where the mailbox is served. Anybody is told, also of addresses that nobody has."""
        if self._script.strikes(Trouble.NO_AUTODISCOVER, call.endpoint):
            return Answer(status=404, body=b"", headers={"Content-Type": "text/plain"})
        if address.count("@") != 1 or not all(address.split("@")):
            return _refusal("InvalidRequest", "The email address is missing or malformed.")
        protocol = call.query.get("Protocol", "")
        if protocol.casefold() not in {"ews", "autodiscoverv1"}:
            return _refusal("ProtocolNotSupported", f"The given protocol '{protocol[:40]}' is not supported.")
        if self._script.strikes(Trouble.REDIRECT_LOOP, call.endpoint):
            return self._elsewhere(self._url(), address, call)
        person = self._tenant.person(address)
        gone = self._script.strikes(Trouble.HALF_MIGRATED, call.endpoint)
        if person is not None and person.mailbox == "on-premises" and not gone:
            return self._elsewhere(self._exchange_url(), address, call)
        path = EWS_PATH if protocol.casefold() == "ews" else "/autodiscover/autodiscover.xml"
        return Answer(body={"Protocol": protocol, "Url": f"{self._url()}{path}"})

    def _elsewhere(self, host: str, address: str, call: Call) -> Answer:
        """Send the caller on, to the same question at another host."""
        protocol, count = call.query["Protocol"], _number(call.query.get("RedirectCount", "0")) + 1
        if count > _MOST_REDIRECTS:  # [gap] ours: code and text
            return _refusal("InvalidRequest", "The question was redirected too often.")
        query = f"Protocol={quote(protocol)}&RedirectCount={count}"
        location = f"{host}{_JSON_PATH}/v1.0/{quote(address, safe='@')}?{query}"
        return Answer(status=302, body=b"", headers={"Location": location})


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0


def _refusal(code: str, message: str) -> Answer:
    """Build autodiscover's own refusal. [gap] ours: the status and the texts."""
    return Answer(status=400, body={"ErrorCode": code, "ErrorMessage": message})
