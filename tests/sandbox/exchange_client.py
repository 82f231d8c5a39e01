"""A client of Exchange that speaks by its own reading of the facts: autodiscover in three protocols, and GetFolder."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, fromstring

from daemon.sandbox import tenant as known

if TYPE_CHECKING:
    from daemon.sandbox.tenant import Tenant
    from tests.sandbox.conftest import Client, Reply

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
AUTODISCOVER = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
POX = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"

SVC = "/autodiscover/autodiscover.svc"
XML = "/autodiscover/autodiscover.xml"
JSON = "/autodiscover/autodiscover.json"
EWS = "/EWS/Exchange.asmx"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def header_for(kind: str, value: str) -> str:
    """An impersonation of whoever the value names."""
    inner = f"<t:{kind}>{value}</t:{kind}>" if kind else ""
    return f"<t:ExchangeImpersonation><t:ConnectingSID>{inner}</t:ConnectingSID></t:ExchangeImpersonation>"


def get_folder(
    *, header: str = "", folders: str = '<t:DistinguishedFolderId Id="inbox"/>', shape: str = "", types: str = TYPES
) -> str:
    base = shape or "<t:BaseShape>IdOnly</t:BaseShape>"
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{types}">'
        f'<s:Header><t:RequestServerVersion Version="Exchange2016"/>{header}</s:Header>'
        f"<s:Body><m:GetFolder><m:FolderShape>{base}</m:FolderShape>"
        f"<m:FolderIds>{folders}</m:FolderIds></m:GetFolder></s:Body></s:Envelope>"
    )


def user_settings(*addresses: str, settings: tuple[str, ...] = ("ExternalEwsUrl",), space: str = AUTODISCOVER) -> str:
    users = "".join(f"<a:User><a:Mailbox>{address}</a:Mailbox></a:User>" for address in addresses)
    names = "".join(f"<a:Setting>{name}</a:Setting>" for name in settings)
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{space}" xmlns:w="{ADDRESSING}"><s:Header>'
        f"<w:Action>{space}/Autodiscover/GetUserSettings</w:Action></s:Header>"
        f"<s:Body><a:GetUserSettingsRequestMessage><a:Request><a:Users>{users}</a:Users>"
        f"<a:RequestedSettings>{names}</a:RequestedSettings>"
        "</a:Request></a:GetUserSettingsRequestMessage></s:Body></s:Envelope>"
    )


def pox(address: str, *, wanted: str = OUTLOOK, space: str = POX) -> str:
    return (
        f'<Autodiscover xmlns="{space}"><Request><EMailAddress>{address}</EMailAddress>'
        f"<AcceptableResponseSchema>{wanted}</AcceptableResponseSchema></Request></Autodiscover>"
    )


@dataclass
class Said:
    """An answer, and what stands in it by local name."""

    reply: Reply
    root: Element | None = field(default=None)

    @property
    def status(self) -> int:
        return self.reply.status

    def all(self, name: str) -> list[str]:
        assert self.root is not None, self.reply.raw
        return [(each.text or "").strip() for each in self.root.iter() if each.tag.rpartition("}")[2] == name]

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")


@dataclass
class ExchangeClient:
    """Signs in as the mailbox account unless `authorization` says otherwise; empty: not at all."""

    client: Client
    authorization: str = field(default_factory=lambda: basic(known.DEMO_MAILBOX, known.DEMO_MAILBOX_PASSWORD))

    @property
    def url(self) -> str:
        return self.client.sandbox.exchange_url

    @property
    def tenant(self) -> Tenant:
        return self.client.sandbox.world.tenant

    async def post(self, path: str, body: str | bytes, *, host: str = "", **headers: str) -> Said:
        sent = {"Content-Type": "text/xml; charset=utf-8"}
        if self.authorization:
            sent["Authorization"] = self.authorization
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body.encode() if isinstance(body, str) else body
        reply = await self.client.send("POST", f"{host or self.url}{path}", data=content, headers=sent | named)
        is_xml = "xml" in reply.headers.get("Content-Type", "") and bool(reply.raw)
        return Said(reply, fromstring(reply.raw) if is_xml else None)

    async def settings(self, *addresses: str, **options: Any) -> Said:
        return await self.post(SVC, user_settings(*addresses, **options))

    async def pox(self, address: str, **options: str) -> Said:
        return await self.post(XML, pox(address, **options))

    async def json(self, address: str, *, protocol: str = "EWS", **more: str) -> Reply:
        path = f"{self.url}{JSON}/v1.0/{address}"
        return await self.client.send("GET", path, params={"Protocol": protocol} | more, allow_redirects=False)

    async def inbox(self, *, of: str = "", kind: str = "PrimarySmtpAddress", **options: Any) -> Said:
        """Open an inbox: the caller's own, or another's by impersonation."""
        header = header_for(kind, of) if of else ""
        return await self.post(EWS, get_folder(header=header), **options)


def on_premises(client: Client) -> ExchangeClient:
    """Move every mailbox of the sandbox's company on premises, and call there."""
    for person in client.sandbox.world.tenant.people.values():
        person.mailbox = person.mailbox and "on-premises"
    return ExchangeClient(client)
