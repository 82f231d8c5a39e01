"""Autodiscover by plain XML (POX), as older servers speak it, written and read. Pure; called by `autodiscover.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element

from daemon.providers import soap
from daemon.providers.answer import Answer
from daemon.providers.autodiscover_answers import Declined, Found, Moved, Readdressed, Reading
from daemon.providers.quoting import quoted

PATH: Final = "/autodiscover/autodiscover.xml"
_REQUEST: Final = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
_RESPONSE: Final = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_PROTOCOLS: Final = ("EXPR", "WEB", "EXCH")
"""Those that hold an address of EWS; what is for callers from outside goes first, as with SOAP."""

_UNKNOWN: Final = frozenset({"500", "501"})
# [gap] which numbers mean that the address is unknown: public text does not agree, these two are its common ones.


def request(address: str) -> bytes:
    """Ask for the settings of `address`."""
    return soap.written(
        f'<Autodiscover xmlns="{_REQUEST}"><Request><EMailAddress>{soap.text(address)}</EMailAddress>'
        f"<AcceptableResponseSchema>{_RESPONSE}</AcceptableResponseSchema></Request></Autodiscover>"
    )


def read(answer: Answer, *, of: str, secrets: tuple[str, ...]) -> Reading:
    """Read the answer of `of`, which came with 200. Raises `ProviderFault` for what is no answer to it."""
    root = soap.document(answer.body, of=of)
    if (error := root.find(".//{*}Error")) is not None:
        code = quoted(soap.words(error, "{*}ErrorCode"), secrets=secrets, longest=60)
        said = quoted(soap.words(error, "{*}Message"), secrets=secrets, longest=120)
        shown = f"error {code or 'without a number'}{f' ({said})' if said else ''}"
        return Declined(said=shown, unknown_user=code in _UNKNOWN)
    account = root.find(".//{*}Account")
    if account is None:
        return Declined(said="XML that is no answer of autodiscover")
    return _account(account)


def _account(account: Element) -> Reading:
    action = soap.words(account, "{*}Action").lower()
    url, address = soap.words(account, "{*}RedirectUrl"), soap.words(account, "{*}RedirectAddr")
    if action == "redirecturl" and url:
        return Moved(url)
    if action == "redirectaddr" and address:
        return Readdressed(address)
    found = next(_ews_urls(account), "")
    return Found(found) if found else Declined(said="no address of EWS in its settings")


def _ews_urls(account: Element) -> Iterator[str]:
    protocols = account.findall("{*}Protocol")
    for kind in _PROTOCOLS:
        for protocol in protocols:
            if soap.words(protocol, "{*}Type") == kind:
                yield from filter(None, (soap.words(protocol, f".//{{*}}{name}") for name in ("EwsUrl", "ASUrl")))
