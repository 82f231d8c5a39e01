"""Autodiscover on premises by plain XML (POX), as older clients ask. Mounted by `exchange.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from daemon.sandbox import ews, soap
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.tenant import Person
from daemon.sandbox.whereabouts import AtHost, ByAddress, Here, Nobody, Whereabouts

PATH: Final = "/autodiscover/autodiscover.xml"
_REQUEST: Final = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
_RESPONSE: Final = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_OUTLOOK: Final = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
# [gap] ours: which number goes with which mistake, and the id.
_UNKNOWN: Final = (500, "The email address can't be found.")
_INVALID: Final = (600, "Invalid Request")
_NO_PROVIDER: Final = (601, "Provider is not available")
_PROTOCOLS: Final = ("EXCH", "EXPR", "WEB")


class PoxAutodiscover:
    """The handler. `url` is this server's address."""

    def __init__(self, *, whereabouts: Whereabouts, url: Callable[[], str]) -> None:
        self._whereabouts = whereabouts
        self._url = url

    def answer(self, call: Call) -> Answer:
        """Answer a caller who has signed in. Errors travel with 200 as well."""
        try:
            root = soap.read(call.body)
        except soap.UnreadableXml:
            return _error(*_INVALID, call=call)
        request = root.find(f"{{{_REQUEST}}}Request")
        if root.tag != f"{{{_REQUEST}}}Autodiscover" or request is None:
            return _error(*_INVALID, call=call)
        address = soap.words(request, f"{{{_REQUEST}}}EMailAddress")
        if address.count("@") != 1:
            return _error(*_INVALID, call=call)
        if soap.words(request, f"{{{_REQUEST}}}AcceptableResponseSchema") != _OUTLOOK:
            return _error(*_NO_PROVIDER, call=call)
        return self._of(address, call)

    def _of(self, address: str, call: Call) -> Answer:
        match self._whereabouts.of(address, call):
            case Here(person=person):
                return _account("settings", self._protocols(), person=person)
            case AtHost(url=url):
                return _account("redirectUrl", f"<RedirectUrl>{soap.text(f'{url}{PATH}')}</RedirectUrl>")
            case ByAddress(address=other):
                return _account("redirectAddr", f"<RedirectAddr>{soap.text(other)}</RedirectAddr>")
            case Nobody():
                return _error(*_UNKNOWN, call=call)

    def _protocols(self) -> str:
        url = soap.text(f"{self._url()}{ews.PATH}")
        return "".join(_protocol(kind, url) for kind in _PROTOCOLS)


def _protocol(kind: str, url: str) -> str:
    if kind == "WEB":  # it holds other protocols, each with its address
        inner = f"<Protocol><Type>EXPR</Type><ASUrl>{url}</ASUrl></Protocol>"
        return f"<Protocol><Type>{kind}</Type><External>{inner}</External></Protocol>"
    return (
        f"<Protocol><Type>{kind}</Type><Server>localhost</Server><ASUrl>{url}</ASUrl><EwsUrl>{url}</EwsUrl></Protocol>"
    )


def _account(action: str, content: str, *, person: Person | None = None) -> Answer:
    user = ""
    if person is not None:
        user = (
            f"<User><DisplayName>{soap.text(person.display_name)}</DisplayName>"
            f"<AutoDiscoverSMTPAddress>{soap.text(person.address)}</AutoDiscoverSMTPAddress></User>"
        )
    account = f"<Account><AccountType>email</AccountType><Action>{action}</Action>{content}</Account>"
    return soap.answer(
        f'<Autodiscover xmlns="{_RESPONSE}"><Response xmlns="{_OUTLOOK}">{user}{account}</Response></Autodiscover>'
    )


def _error(number: int, message: str, *, call: Call) -> Answer:
    said = f"<ErrorCode>{number}</ErrorCode><Message>{soap.text(message)}</Message><DebugData/>"
    error = f'<Error Time="{call.service_time:%H:%M:%S.%f}" Id="2477272013">{said}</Error>'
    return soap.answer(f'<Autodiscover xmlns="{_RESPONSE}"><Response>{error}</Response></Autodiscover>')
