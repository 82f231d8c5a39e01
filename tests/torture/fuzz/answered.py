"""What the service, Microsoft and directories answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from daemon.ports import Credentials, Keys, Place, ProviderFault, Secret
from daemon.providers import autodiscover_json, autodiscover_pox, autodiscover_soap, ews_folder, graph_answer, netlogon
from daemon.providers.answer import Answer, retry_after
from daemon.providers.body import decoded
from daemon.providers.http import HttpClient
from daemon.providers.ldap_wire import Lost, Wire
from daemon.providers.mimecast_v1 import MimecastV1
from daemon.providers.mimecast_v2 import MimecastV2
from daemon.providers.tokens import Tokens
from tests.torture.fuzz.target import Target

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_STATUSES = (200, 200, 200, 401, 403, 404, 408, 409, 418, 429, 500, 503)
_SECRETS = ("hunter2",)
_PLACE = Place(base_url="https://us-api.mimecast.com", region="us")


def answer_of(data: bytes) -> Answer:
    """The first byte chooses the status, the first line a header's value, the rest is the body."""
    status = _STATUSES[(data or b"\0")[0] % len(_STATUSES)]
    line, _, body = data[1:].partition(b"\n")
    text = line.decode("latin-1").strip()
    headers = {"Retry-After": text, "Date": text, "Content-Type": text or "application/json"}
    return Answer(
        status=status,
        headers=headers,
        body=body,
        json=decoded(bytearray(body)),
        retry_after=retry_after(status, headers, now=_NOW),
    )


class _Client:
    """Gives every call the same answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def call(self, *_: object, **__: object) -> Answer:
        return self._answer


def _client(data: bytes) -> HttpClient:
    return cast("HttpClient", _Client(answer_of(data)))


def _each(*calls: Coroutine[Any, Any, object]) -> None:
    """Nothing is waited for, so no loop is needed; each may fail, and the next is made all the same."""
    for call in calls:
        try:
            call.send(None)
        except (StopIteration, ProviderFault):
            continue
        raise AssertionError(f"{call} waits")


def _mimecast_v1(data: bytes) -> None:
    cloud = MimecastV1(
        _client(data), service_url="", trusted_suffixes=("mimecast.com",), now=lambda: _NOW, new_request_id=lambda: "id"
    )
    credentials = Credentials(
        method="cloud",
        email="a@example.com",
        password=Secret("hunter2"),
        application_id="app",
        application_key=Secret("key"),
    )
    values = {"access_key": "a", "secret_key": "c2VjcmV0", "application_id": "app", "application_key": "key"}
    keys = _keys("cloud", values)
    _each(
        cloud.greet(),
        cloud.discover(credentials),
        cloud.authenticate(_PLACE, credentials, refresh=None),
        cloud.authenticate(_PLACE, credentials, refresh=keys),
        cloud.authorize(keys),
        cloud.revoke(keys),
    )


def _mimecast_v2(data: bytes) -> None:
    cloud = MimecastV2(_client(data), service_url="", tokens=Tokens(monotonic=lambda: 0.0), new_request_id=lambda: "id")
    credentials = Credentials(method="application", email="", client_id="id", client_secret=Secret("hunter2"))
    keys = _keys("application", {"client_id": "id", "client_secret": "hunter2"})
    _each(cloud.authenticate(_PLACE, credentials, refresh=None), cloud.authorize(keys), cloud.verify(keys))


def _keys(method: Any, values: Mapping[str, str]) -> Keys:
    return Keys(
        method=method,
        base_url=_PLACE.base_url,
        region="us",
        email="a@example.com",
        identity="0" * 32,
        expires_at=None,
        values={name: Secret(value) for name, value in values.items()},
    )


def _graph(data: bytes) -> None:
    reply = graph_answer.reply_of(answer_of(data), secrets=_SECRETS)
    about = graph_answer.About(what="a question", needs="User.Read.All")
    for read in (graph_answer.document, graph_answer.one, graph_answer.listed):
        try:
            read(reply, about)
        except ProviderFault:
            continue


def _autodiscover(data: bytes) -> None:
    answer = answer_of(data)
    for read in (autodiscover_soap.read, autodiscover_pox.read):
        try:
            read(answer, of="example.com", secrets=_SECRETS)
        except ProviderFault:
            continue
    autodiscover_json.read(answer, secrets=_SECRETS)


def _ews(data: bytes) -> None:
    answer = answer_of(data)
    for another in (False, True):
        ews_folder.opened(
            answer,
            ews_folder.Question(host="example.com", mailbox="a@example.com", another=another, secrets=_SECRETS),
        )


class _Nowhere:
    """A writer of a connection that leads nowhere."""

    transport = None

    def write(self, _data: bytes) -> None:
        """Take it."""

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """Nothing is open."""


_Nowhere.transport = _Nowhere()  # type: ignore[assignment]


def _ldap(data: bytes) -> None:
    asyncio.run(_ldap_answered(data))


async def _ldap_answered(data: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    wire = Wire(reader, cast("asyncio.StreamWriter", _Nowhere()), largest=1_000_000)
    await wire.send(lambda client: client.search_request("dc=example,dc=com"))


def _netlogon(data: bytes) -> None:
    netlogon._site_in(data)


def _ber(tag: int, *inside: bytes) -> bytes:
    content = b"".join(inside)
    return bytes([tag, len(content)]) + content


_DONE = _ber(0x30, _ber(2, b"\1"), _ber(0x65, _ber(10, b"\0"), _ber(4), _ber(4)))
_ENTRY = _ber(
    0x30,
    _ber(2, b"\1"),
    _ber(0x64, _ber(4, b"cn=a"), _ber(0x30, _ber(0x30, _ber(4, b"mail"), _ber(0x31, _ber(4, b"a@b.c"))))),
)
_SURROGATE = (
    rb'{"meta":{"status":200},"data":[{"accessKey":"\ud800","secretKey":"QQ==","emailAddress":"\udfff"}],"fail":[]}'
)
_JSON = tuple(
    bytes([status]) + b"\n" + json.dumps(document).encode()
    for status in (0, 3, 9)
    for document in (
        {"meta": {"status": 200}, "data": [{"accessKey": "a", "secretKey": "QQ==", "duration": 3600}], "fail": []},
        {"meta": {"status": 200}, "data": [{"region": {"code": "us", "api": "https://us-api.mimecast.com"}}]},
        {"fail": [{"errors": [{"code": "err_xdk_invalid", "message": "no", "retryable": True}]}]},
        {"access_token": "t", "expires_in": 1800},
        {"error": {"code": "ErrorAccessDenied", "message": "hunter2"}},
        {"value": [{"id": "1"}], "id": "1", "Url": "https://example.com/ews", "ErrorCode": "UserNotFound"},
    )
)
_SOAP = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'
_POX = """\0
<Autodiscover xmlns="a"><Response><Account><Action>settings</Action><Protocol><Type>EXPR</Type>
<EwsUrl>https://example.com/ews</EwsUrl></Protocol></Account></Response></Autodiscover>"""
_REDIRECT = """<Response><ErrorCode>NoError</ErrorCode><UserResponse><ErrorCode>RedirectUrl</ErrorCode>
<RedirectTarget>https://example.com</RedirectTarget></UserResponse></Response>"""
_BUSY = """<s:Fault><faultcode>a:ErrorServerBusy</faultcode><faultstring>x</faultstring><detail>
<ResponseCode>ErrorServerBusy</ResponseCode><Value Name="BackOffMilliseconds">300</Value></detail></s:Fault>"""
_XML = (_POX.encode(), b"\0\n" + _SOAP.format(_REDIRECT).encode(), b"\x0a\n" + _SOAP.format(_BUSY).encode())

TARGETS = (
    Target(name="mimecast-1.0", what="envelopes of API 1.0, through the adapter", meets=_mimecast_v1,
           seeds=(*_JSON, b"\0\n" + _SURROGATE)),
    Target(name="mimecast-2.0", what="answers of API 2.0, through the adapter", meets=_mimecast_v2,
           seeds=(*_JSON, b"\0\n" + _SURROGATE)),
    Target(name="graph", what="answers of Microsoft Graph", meets=_graph, seeds=_JSON),
    Target(name="autodiscover", what="autodiscover: SOAP, POX and JSON", meets=_autodiscover, seeds=(*_XML, *_JSON)),
    Target(name="ews", what="EWS answers", meets=_ews, seeds=_XML),
    Target(name="ldap", what="LDAP messages on the wire", meets=_ldap, may_raise=(Lost,),
           seeds=(_ENTRY + _DONE, _DONE, _ENTRY)),
    Target(name="netlogon", what="the site in a domain controller's answer", meets=_netlogon,
           may_raise=netlogon.NO_LDAP, seeds=(b"\0" * 24 + b"\3abc\0" * 8, b"\0" * 24 + b"\1a\xc0\x18" * 8)),
)  # fmt: skip
