"""Autodiscover on premises in JSON (version 2), which anybody may ask. Mounted by `exchange.py`.

Exchange Online's is in `outlook.py`: unlike this one it answers for addresses that nobody has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from daemon.sandbox import ews
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.whereabouts import AtHost, ByAddress, Here, Nobody, Whereabouts

PATH: Final = "/autodiscover/autodiscover.json"
BELOW: Final = f"{PATH}/v1.0/"
_MOST_REDIRECTS: Final = 10


class JsonAutodiscover:
    """The handlers. `url` is this server's address."""

    def __init__(self, *, whereabouts: Whereabouts, url: Callable[[], str]) -> None:
        self._whereabouts = whereabouts
        self._url = url

    def answer(self, call: Call) -> Answer:
        """Say where the mailbox is whose address stands in the path, or in the query."""
        self._whereabouts.check_served(call)
        in_path = call.path[len(BELOW) :] if call.path.casefold().startswith(BELOW) else ""
        address = in_path or call.query.get("Email", "")
        if address.count("@") != 1 or not all(address.split("@")):
            return _refusal(400, "InvalidRequest", message="The email address is missing or malformed.")
        protocol = call.query.get("Protocol", "")
        if protocol.casefold() != "ews":
            message = f"The given protocol '{protocol[:40]}' is not supported."
            return _refusal(400, "ProtocolNotSupported", message=message)
        match self._whereabouts.of(address, call):
            case Here():
                return Answer(body={"Protocol": protocol, "Url": f"{self._url()}{ews.PATH}"})
            case AtHost(url=url):
                return _elsewhere(url, address, call=call)
            case ByAddress(address=other):
                return _elsewhere(self._whereabouts.cloud, other, call=call)
            case Nobody():
                return _refusal(404, "UserNotFound", message="The given user is not found.")


def _elsewhere(host: str, address: str, *, call: Call) -> Answer:
    """Send the caller on, to the same question at another host."""
    count = _number(call.query.get("RedirectCount", "0")) + 1
    if count > _MOST_REDIRECTS:  # [gap] ours: code and text
        return _refusal(400, "InvalidRequest", message="The question was redirected too often.")
    query = f"Protocol={quote(call.query['Protocol'])}&RedirectCount={count}"
    location = f"{host}{BELOW}{quote(address, safe='@')}?{query}"
    return Answer(status=302, body=b"", headers={"Location": location})


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0


def _refusal(status: int, code: str, *, message: str) -> Answer:
    """Build autodiscover's own refusal. [gap] ours: the statuses and the texts."""
    return Answer(status=status, body={"ErrorCode": code, "ErrorMessage": message})
