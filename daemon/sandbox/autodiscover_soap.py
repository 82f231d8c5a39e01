"""Autodiscover on premises by SOAP: GetUserSettings. Mounted by `exchange.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from xml.etree.ElementTree import Element

from daemon.sandbox import ews, soap
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.tenant import Person, Tenant
from daemon.sandbox.whereabouts import AtHost, ByAddress, Here, Nobody, Whereabouts

PATH: Final = "/autodiscover/autodiscover.svc"
# The real namespaces. Current public documents print them with https, which no server takes.
_NS: Final = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
_ACTION: Final = f"{_NS}/Autodiscover/GetUserSettings"
_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_REQUEST: Final = f"{{{soap.ENVELOPE}}}Body/{{{_NS}}}GetUserSettingsRequestMessage/{{{_NS}}}Request"
_SCHEMAS: Final = (
    "Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2010_SP1, Exchange2010_SP2, Exchange2013, "
    "Exchange2013_SP1, Exchange2015, Exchange2016"
)
_CAS_VERSION: Final = "15.01.2507.039"
_MOST_USERS: Final = 100
# [gap] ours: which of the real names this server has no value for; every other name is no setting.
_WITHOUT_VALUE: Final = frozenset(
    {
        "ActiveDirectoryServer",
        "AlternateMailboxes",
        "ExternalMailboxServer",
        "ExternalOABUrl",
        "ExternalPop3Connections",
        "ExternalUMUrl",
        "InternalMailboxServer",
        "InternalOABUrl",
        "MapiHttpEnabled",
        "MailboxDN",
        "PublicFolderServer",
        "UserDN",
        "UserMSOnline",
    }
)
_MESSAGES: Final = {
    "NoError": "No error.",
    "InvalidDomain": "The domain is not a domain of this organization.",
    "InvalidRequest": "The request is invalid.",
    "InvalidSetting": "The setting is not known.",
    "InvalidUser": "The email address can't be found.",
    "RedirectAddress": "Redirection address.",
    "RedirectUrl": "Redirection url.",
    "ServerBusy": "The server is too busy to process the request.",
    "SettingIsNotAvailable": "The setting is not available for this user.",
}


class SoapAutodiscover:
    """The handler. `url` is this server's address."""

    def __init__(self, *, tenant: Tenant, whereabouts: Whereabouts, url: Callable[[], str]) -> None:
        self._tenant = tenant
        self._whereabouts = whereabouts
        self._url = url

    def answer(self, call: Call) -> Answer:
        """Answer a caller who has signed in."""
        try:
            root = soap.read(call.body)
        except soap.UnreadableXml:
            # [gap] ours: the status.
            return Answer(status=400, body=b"Bad Request", headers={"Content-Type": "text/plain"})
        action = soap.words(root, f"{{{soap.ENVELOPE}}}Header/{{{soap.ADDRESSING}}}Action")
        if root.tag != f"{{{soap.ENVELOPE}}}Envelope" or action != _ACTION:
            code = '<faultcode xmlns:a="http://schemas.microsoft.com/ws/2005/05/addressing/none">a:ActionNotSupported'
            return soap.fault(f"{code}</faultcode>", message="The message cannot be processed by the receiver.")
        request = root.find(_REQUEST)
        if self._tenant.autodiscover_error:
            return _response(self._tenant.autodiscover_error)
        users, settings = _asked(request)
        if not users or not settings or len(users) > _MOST_USERS:
            return _response("InvalidRequest")
        return _response("NoError", "".join(self._user(address, settings, call) for address in users))

    def _user(self, address: str, settings: Sequence[str], call: Call) -> str:
        match self._whereabouts.of(address, call):
            case Here(person=person):
                return _settings(settings, self._values(person))
            case AtHost(url=url):
                return _user_response("RedirectUrl", target=f"{url}{PATH}")
            case ByAddress(address=other):
                return _user_response("RedirectAddress", target=other)
            case Nobody(foreign=foreign):
                return _user_response("InvalidDomain" if foreign else "InvalidUser")

    def _values(self, person: Person) -> dict[str, str]:
        return {
            "UserDisplayName": person.display_name,
            "AutoDiscoverSMTPAddress": person.address,
            "ExternalEwsUrl": f"{self._url()}{ews.PATH}",
            "InternalEwsUrl": f"{self._url()}{ews.PATH}",
            "CasVersion": _CAS_VERSION,
            "EwsSupportedSchemas": _SCHEMAS,
        }


def _asked(request: Element | None) -> tuple[list[str], list[str]]:
    """Read the addresses and the names of settings that are asked for."""
    if request is None:
        return [], []
    mailboxes = request.iterfind(f"{{{_NS}}}Users/{{{_NS}}}User/{{{_NS}}}Mailbox")
    settings = request.iterfind(f"{{{_NS}}}RequestedSettings/{{{_NS}}}Setting")
    return [(each.text or "").strip() for each in mailboxes], [(each.text or "").strip() for each in settings]


def _settings(wanted: Sequence[str], values: dict[str, str]) -> str:
    errors = "".join(_setting_error(name) for name in wanted if name not in values)
    found = "".join(
        f'<UserSetting i:type="StringSetting"><Name>{name}</Name><Value>{soap.text(values[name])}</Value></UserSetting>'
        for name in wanted
        if name in values
    )
    return _user_response("NoError", errors=errors, settings=found)


def _setting_error(name: str) -> str:
    code = "SettingIsNotAvailable" if name in _WITHOUT_VALUE else "InvalidSetting"
    return (
        f"<UserSettingError>{_code(code)}<SettingName>{soap.text(name)}</SettingName></UserSettingError>"
    )  # fmt: skip


def _user_response(code: str, *, target: str = "", errors: str = "", settings: str = "") -> str:
    led = f"<RedirectTarget>{soap.text(target)}</RedirectTarget>" if target else '<RedirectTarget i:nil="true"/>'
    return (
        f"<UserResponse>{_code(code)}{led}<UserSettingErrors>{errors}</UserSettingErrors>"
        f"<UserSettings>{settings}</UserSettings></UserResponse>"
    )


def _response(code: str, users: str = "") -> Answer:
    """Build the whole answer; `code` is the one of the whole."""
    body = (
        f'<GetUserSettingsResponseMessage xmlns="{_NS}"><Response xmlns:i="{_INSTANCE}">{_code(code)}'
        f"<UserResponses>{users}</UserResponses></Response></GetUserSettingsResponseMessage>"
    )
    return soap.answer(soap.envelope(body, header=_header()))


def _header() -> str:
    return (
        f'<a:Action s:mustUnderstand="1" xmlns:a="{soap.ADDRESSING}">{_ACTION}Response</a:Action>'
        f'<h:ServerVersionInfo xmlns:h="{_NS}"><h:MajorVersion>15</h:MajorVersion><h:MinorVersion>1</h:MinorVersion>'
        "<h:MajorBuildNumber>2507</h:MajorBuildNumber><h:MinorBuildNumber>39</h:MinorBuildNumber>"
        "<h:Version>Exchange2015</h:Version></h:ServerVersionInfo>"
    )


def _code(code: str) -> str:
    said = _MESSAGES.get(code, "The operation did not succeed.")
    return f"<ErrorCode>{soap.text(code)}</ErrorCode><ErrorMessage>{soap.text(said)}</ErrorMessage>"
