"""Autodiscover by SOAP: GetUserSettings, written and read. Pure; called by `autodiscover.py`.

The namespaces are those of live servers; current public documents print them with https, which no server takes.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from daemon.providers import soap
from daemon.providers.answer import Answer
from daemon.providers.autodiscover_answers import Declined, Found, Moved, Readdressed, Reading
from daemon.providers.quoting import quoted

PATH: Final = "/autodiscover/autodiscover.svc"
ACTION: Final = "http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings"
_AUTODISCOVER: Final = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
_ADDRESSING: Final = "http://www.w3.org/2005/08/addressing"
_URLS: Final = ("ExternalEwsUrl", "InternalEwsUrl")
"""What is asked for; the one for callers from outside is taken first, because its certificate fits its name."""

_UNKNOWN: Final = frozenset({"InvalidUser", "InvalidDomain"})


def request(address: str, *, url: str) -> bytes:
    """Ask for the addresses of EWS for `address`, at `url`."""
    settings = "".join(f"<a:Setting>{name}</a:Setting>" for name in _URLS)
    return soap.written(
        f'<s:Envelope xmlns:s="{soap.SOAP_ENVELOPE}" xmlns:a="{_AUTODISCOVER}" xmlns:w="{_ADDRESSING}"><s:Header>'
        "<a:RequestedServerVersion>Exchange2013</a:RequestedServerVersion>"
        f"<w:Action>{ACTION}</w:Action><w:To>{soap.text(url)}</w:To></s:Header>"
        "<s:Body><a:GetUserSettingsRequestMessage><a:Request>"
        f"<a:Users><a:User><a:Mailbox>{soap.text(address)}</a:Mailbox></a:User></a:Users>"
        f"<a:RequestedSettings>{settings}</a:RequestedSettings>"
        "</a:Request></a:GetUserSettingsRequestMessage></s:Body></s:Envelope>"
    )


def read(answer: Answer, *, of: str, secrets: tuple[str, ...]) -> Reading:
    """Read the answer of `of`, which came with 200 or 500. Raises `ProviderFault` for what is no answer to it."""
    root = soap.document(answer.body, of=of)
    if (fault := root.find(".//{*}Fault")) is not None:
        return Declined(said=f"a SOAP fault{_quote(soap.words(fault, '{*}faultstring'), secrets)}")
    response = root.find(".//{*}Response")
    user = response.find(".//{*}UserResponse") if response is not None else None
    if response is None:
        return Declined(said="XML that is no answer of autodiscover")
    for part in (user, response):
        code = soap.words(part, "{*}ErrorCode") if part is not None else ""
        if part is not None and code not in {"", "NoError"}:
            return _refusal(part, code, secrets=secrets)
    found = next(filter(None, (_setting(response, name) for name in _URLS)), "")
    return Found(found) if found else Declined(said="no address of EWS in its settings")


def _refusal(part: Element, code: str, *, secrets: tuple[str, ...]) -> Reading:
    target = soap.words(part, "{*}RedirectTarget")
    if code == "RedirectUrl" and target:
        return Moved(target)
    if code == "RedirectAddress" and target:
        return Readdressed(target)
    said = f"{quoted(code, secrets=secrets, longest=60)}{_quote(soap.words(part, '{*}ErrorMessage'), secrets)}"
    return Declined(said=said, unknown_user=code in _UNKNOWN)


def _setting(response: Element, name: str) -> str:
    settings = response.iterfind(".//{*}UserSetting")
    return next((soap.words(each, "{*}Value") for each in settings if soap.words(each, "{*}Name") == name), "")


def _quote(message: str, secrets: tuple[str, ...]) -> str:
    said = quoted(message, secrets=secrets, longest=120)
    return f' "{said}"' if said else ""
