"""Autodiscover of Exchange on premises in its three protocols: SOAP, POX (plain XML) and JSON. Used by `exchange.py`.

The namespaces are those of live servers, with http; current public documents print them with https.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from daemon.sandbox import soap
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.script import Script, Trouble
from daemon.sandbox.tenant import Tenant

SOAP_PATH: Final = "/autodiscover/autodiscover.svc"
POX_PATH: Final = "/autodiscover/autodiscover.xml"
JSON_PATH: Final = "/autodiscover/autodiscover.json"
EWS_PATH: Final = "/EWS/Exchange.asmx"
NOTHING: Final = Answer(status=404, body=b"", headers={"Content-Type": "text/plain"})

_SOAP: Final = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
_POX: Final = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_OUTLOOK: Final = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

Way = Literal["served", "address", "url", "unknown", "foreign"]


@dataclass(frozen=True, slots=True)
class Lead:
    """Where an address leads: served here, on to another address or URL, or nowhere."""

    way: Way
    target: str = ""


class Autodiscover:
    """The handlers. `url` is this host's address, `cloud_url` that of Microsoft's cloud."""

    def __init__(self, *, tenant: Tenant, script: Script, url: Callable[[], str], cloud_url: Callable[[], str]) -> None:
        self._tenant = tenant
        self._script = script
        self._url = url
        self._cloud_url = cloud_url

    def by_soap(self, call: Call) -> Answer:
        """GetUserSettings for one user."""
        if self._script.strikes(Trouble.NO_AUTODISCOVER, call.endpoint):
            return NOTHING
        request = soap.read(call.body)
        address = soap.words(request, ".//{*}User/{*}Mailbox") if request is not None else ""
        if request is None or not address or self._tenant.autodiscover_error:
            return _settings_answer(self._tenant.autodiscover_error or "InvalidRequest", "")
        asked = [(setting.text or "").strip() for setting in request.iterfind(".//{*}RequestedSettings/{*}Setting")]
        return _settings_answer("NoError", self._user(self._lead(address, call, SOAP_PATH), asked, address))

    def by_pox(self, call: Call) -> Answer:
        """The settings for Outlook."""
        if self._script.strikes(Trouble.NO_AUTODISCOVER, call.endpoint):
            return NOTHING
        request = soap.read(call.body)
        address = soap.words(request, ".//{*}EMailAddress") if request is not None else ""
        if not address:
            return _pox_error(600, "Invalid Request")
        lead = self._lead(address, call, POX_PATH)
        match lead.way:
            case "served":
                return _pox(f"<Action>settings</Action>{self._protocol('EXCH')}{self._protocol('EXPR')}")
            case "address":
                return _pox(f"<Action>redirectAddr</Action><RedirectAddr>{soap.text(lead.target)}</RedirectAddr>")
            case "url":
                return _pox(f"<Action>redirectUrl</Action><RedirectUrl>{soap.text(lead.target)}</RedirectUrl>")
            case _:
                return _pox_error(500, "The email address can't be found.")

    def by_json(self, address: str, call: Call) -> Answer:
        """Version 2, which needs no sign-in."""
        if self._script.strikes(Trouble.NO_AUTODISCOVER, call.endpoint):
            return NOTHING
        if call.query.get("Protocol", "").casefold() != "ews":
            return _json_error(400, "ProtocolNotSupported", "The given protocol is not supported.")
        lead = self._lead(address, call, f"{JSON_PATH}/v1.0/{quote(address, safe='@')}?Protocol=EWS")
        match lead.way:
            case "served":
                return Answer(body={"Protocol": "EWS", "Url": f"{self._url()}{EWS_PATH}"})
            case "url":
                return Answer(status=302, body=b"", headers={"Location": lead.target})
            case "address":
                location = f"{self._cloud_url()}{JSON_PATH}/v1.0/{quote(lead.target, safe='@')}?Protocol=EWS"
                return Answer(status=302, body=b"", headers={"Location": location})
            case _:
                return _json_error(404, "UserNotFound", "The given user is not found.")

    def _lead(self, address: str, call: Call, path: str) -> Lead:
        """Where an address leads; `path` is where the same question is asked, here and elsewhere."""
        if self._script.strikes(Trouble.REDIRECT_LOOP, call.endpoint):
            return Lead("url", f"{self._url()}{path}")
        if address.rpartition("@")[2].casefold() not in self._tenant.domains:
            return Lead("foreign")
        person = self._tenant.person(address)
        if person is None or not person.mailbox:
            return Lead("unknown")
        moved = self._script.strikes(Trouble.HALF_MIGRATED, call.endpoint) is not None
        if person.mailbox == "on-premises" and not moved:
            return Lead("served")
        return Lead("address", person.routed_to) if person.routed_to else Lead("url", f"{self._cloud_url()}{path}")

    def _user(self, lead: Lead, asked: list[str], address: str) -> str:
        codes = {
            "unknown": "InvalidUser",
            "foreign": "InvalidDomain",
            "url": "RedirectUrl",
            "address": "RedirectAddress",
        }
        if lead.way != "served":
            target = f"<RedirectTarget>{soap.text(lead.target)}</RedirectTarget>" if lead.target else ""
            return f"<UserResponse><ErrorCode>{codes[lead.way]}</ErrorCode><ErrorMessage/>{target}</UserResponse>"
        known = {
            "ExternalEwsUrl": f"{self._url()}{EWS_PATH}",
            "InternalEwsUrl": f"{self._url()}{EWS_PATH}",
            "CasVersion": "15.02.1544.004",
            "AutoDiscoverSMTPAddress": address,
            "EwsSupportedSchemas": "Exchange2007, Exchange2010, Exchange2013, Exchange2016",
        }
        settings = "".join(_setting(name, known[name]) for name in asked if name in known)
        errors = "".join(_setting_error(name) for name in asked if name not in known)
        return (
            f"<UserResponse><ErrorCode>NoError</ErrorCode><ErrorMessage>No error.</ErrorMessage>"
            f"<UserSettingErrors>{errors}</UserSettingErrors><UserSettings>{settings}</UserSettings></UserResponse>"
        )

    def _protocol(self, kind: str) -> str:
        url = f"{self._url()}{EWS_PATH}"
        return f"<Protocol><Type>{kind}</Type><EwsUrl>{url}</EwsUrl><ASUrl>{url}</ASUrl></Protocol>"


def _setting(name: str, value: str) -> str:
    kind = 'i:type="StringSetting" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
    return f"<UserSetting {kind}><Name>{name}</Name><Value>{soap.text(value)}</Value></UserSetting>"


def _setting_error(name: str) -> str:
    error = "<ErrorCode>SettingIsNotAvailable</ErrorCode><ErrorMessage>The setting is not available.</ErrorMessage>"
    return f"<UserSettingError>{error}<SettingName>{soap.text(name)}</SettingName></UserSettingError>"


def _settings_answer(code: str, user: str) -> Answer:
    """The whole answer: its own error code, and the user's part."""
    body = (
        f'<GetUserSettingsResponseMessage xmlns="{_SOAP}"><Response><ErrorCode>{soap.text(code)}</ErrorCode>'
        f"<ErrorMessage/><UserResponses>{user}</UserResponses></Response></GetUserSettingsResponseMessage>"
    )
    return soap.answer(soap.envelope(body))


def _pox(account: str) -> Answer:
    inner = f"<AccountType>email</AccountType>{account}"
    response = f'<Response xmlns="{_OUTLOOK}"><Account>{inner}</Account></Response>'
    return soap.answer(f'<Autodiscover xmlns="{_POX}">{response}</Autodiscover>')


def _pox_error(code: int, message: str) -> Answer:
    error = f'<Error Time="00:00:00.0000000" Id="1"><ErrorCode>{code}</ErrorCode><Message>{message}</Message></Error>'
    return soap.answer(f'<Autodiscover xmlns="{_POX}"><Response>{error}</Response></Autodiscover>')


def _json_error(status: int, code: str, message: str) -> Answer:
    """Version 2's own refusal. [gap] ours: the statuses and the texts."""
    return Answer(status=status, body={"ErrorCode": code, "ErrorMessage": message})
