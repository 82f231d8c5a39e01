"""What an Exchange says in the tests, word for word, and sites that say it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.exchange.internet import Seen, Site

AUTODISCOVER = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
POX = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"

SOAP_PATH = "/autodiscover/autodiscover.svc"
POX_PATH = "/autodiscover/autodiscover.xml"
EWS_PATH = "/EWS/Exchange.asmx"


def xml(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": "text/xml; charset=utf-8"})


def envelope(body: str) -> str:
    return f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{body}</s:Body></s:Envelope>'


def soap_user(inner: str, *, code: str = "NoError") -> web.Response:
    return xml(
        envelope(
            f'<GetUserSettingsResponseMessage xmlns="{AUTODISCOVER}"><Response><ErrorCode>NoError</ErrorCode>'
            f"<UserResponses><UserResponse><ErrorCode>{code}</ErrorCode>{inner}</UserResponse></UserResponses>"
            "</Response></GetUserSettingsResponseMessage>"
        )
    )


def soap_settings(url: str, *, name: str = "ExternalEwsUrl") -> web.Response:
    setting = f"<UserSetting><Name>{name}</Name><Value>{url}</Value></UserSetting>"
    return soap_user(f"<UserSettings>{setting}</UserSettings>")


def soap_redirect(target: str, *, code: str = "RedirectUrl") -> web.Response:
    return soap_user(f"<RedirectTarget>{target}</RedirectTarget>", code=code)


def pox(account: str) -> web.Response:
    return xml(
        f'<Autodiscover xmlns="{POX}"><Response xmlns="{OUTLOOK}"><Account>{account}</Account></Response>'
        "</Autodiscover>"
    )


def pox_settings(url: str, *, kind: str = "EXPR") -> web.Response:
    protocol = f"<Protocol><Type>{kind}</Type><EwsUrl>{url}</EwsUrl></Protocol>"
    return pox(f"<AccountType>email</AccountType><Action>settings</Action>{protocol}")


def pox_error(code: int, message: str) -> web.Response:
    error = f'<Error Time="10:00" Id="1"><ErrorCode>{code}</ErrorCode><Message>{message}</Message></Error>'
    return xml(f'<Autodiscover xmlns="{POX}"><Response>{error}</Response></Autodiscover>')


def as_json(content: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(content).encode(), headers={"Content-Type": "application/json"})


def moved(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location})


def folder() -> web.Response:
    return xml(
        envelope(
            f'<m:GetFolderResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:ResponseMessages>'
            '<m:GetFolderResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
            '<m:Folders><t:Folder><t:FolderId Id="AAMk" ChangeKey="AQ"/></t:Folder></m:Folders>'
            "</m:GetFolderResponseMessage></m:ResponseMessages></m:GetFolderResponse>"
        )
    )


def item_error(code: str, message: str = "It did not work.") -> web.Response:
    return xml(
        envelope(
            f'<m:GetFolderResponse xmlns:m="{MESSAGES}"><m:ResponseMessages>'
            f'<m:GetFolderResponseMessage ResponseClass="Error"><m:MessageText>{message}</m:MessageText>'
            f"<m:ResponseCode>{code}</m:ResponseCode></m:GetFolderResponseMessage>"
            "</m:ResponseMessages></m:GetFolderResponse>"
        )
    )


def header_fault(code: str, *, in_detail: bool = True, back_off: int | None = None) -> web.Response:
    """A fault of the header, with HTTP 500; `in_detail`: the code stands in the detail, else only in faultcode."""
    wait = f'<t:Value Name="BackOffMilliseconds">{back_off}</t:Value>' if back_off is not None else ""
    detail = f'<e:ResponseCode xmlns:e="{ERRORS}">{code}</e:ResponseCode>'
    detail += f'<t:MessageXml xmlns:t="{TYPES}">{wait}</t:MessageXml>'
    return xml(
        envelope(
            f'<s:Fault><faultcode xmlns:a="{TYPES}">a:{"ErrorOther" if in_detail else code}</faultcode>'
            f"<faultstring>It did not work.</faultstring>{f'<detail>{detail}</detail>' if in_detail else ''}</s:Fault>"
        ),
        status=500,
    )


def challenge(*schemes: str) -> web.Response:
    response = web.Response(status=401)
    for scheme in schemes or ('Basic realm="mail"',):
        response.headers.add("WWW-Authenticate", scheme)
    return response


@dataclass
class Mail:
    """An Exchange that asks for Basic and answers what it was given; None: 404. `soap` and `pox` may be functions."""

    user: str
    password: str
    soap: Callable[[Seen], web.Response] | None = None
    pox: Callable[[Seen], web.Response] | None = None
    json: Callable[[Seen], web.Response] | None = None
    ews: Callable[[Seen], web.Response] | None = None
    schemes: tuple[str, ...] = ('Basic realm="mail"',)
    open_to_all: bool = False
    refusals: list[str] = field(default_factory=list)

    def __call__(self, seen: Seen, _connection: object) -> web.Response:
        path = "/" + seen.url.split("/", 3)[3]
        if "/autodiscover.json/" in path:
            return self.json(seen) if self.json else web.Response(status=404)
        answer = {SOAP_PATH: self.soap, POX_PATH: self.pox, EWS_PATH: self.ews}.get(path)
        if answer is None:
            return web.Response(status=404)
        if not self.open_to_all and seen.authorization != basic(self.user, self.password):
            if seen.authorization:
                self.refusals.append(path)
            return challenge(*self.schemes)
        return answer(seen)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def always(make: Callable[[], web.Response]) -> Site:
    """A site that gives one answer to everything."""
    return lambda _seen, _connection: make()
