"""One fault at a time, and the layer at which the doctor must name it. `docs/doctor.md` shows this table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.sandbox.world import DEMO_EMAIL
from tests.doctor.clinic import Clinic, MakeIll, stranger
from tests.providers.conftest import Proxy, answering, head_of, http, signed


@dataclass(frozen=True)
class Case:
    """`says` stands in the failed layer's detail. `sign_in`: with a real login. `method` is how the site signs in.

    `microsoft` is the Microsoft side that the site has, of `microsoft.MICROSOFT_SIDES`.
    """

    fault: str
    layer: str
    says: str
    make_ill: MakeIll
    sign_in: bool = False
    method: str = "cloud"
    microsoft: str = ""


def trouble(name: str, **options: object) -> MakeIll:
    """One of the sandbox's troubles."""

    async def make_ill(clinic: Clinic) -> None:
        clinic.sandbox.script.start(name, **options)  # type: ignore[arg-type]

    return make_ill


def binding(**options: str) -> MakeIll:
    """Another [binding]."""
    return _at_once(lambda clinic: clinic.binding(**options))


def _at_once(change: Callable[[Clinic], None]) -> MakeIll:
    async def make_ill(clinic: Clinic) -> None:
        change(clinic)

    return make_ill


def answers(response: bytes) -> MakeIll:
    """The service answers this."""
    return lambda clinic: clinic.answered_with(response)


def proxy_says(status: str, headers: str = "", **options: str) -> MakeIll:
    """The proxy answers CONNECT with this."""
    return lambda clinic: clinic.refusing_proxy(status, headers, **options)


SIGN_IN = {"proxy_requires_authentication": "yes", "proxy_username": "CORP\\svc", "proxy_password": "literal:Wr0ng!"}
BASIC = 'Proxy-Authenticate: Basic realm="corp"\r\n'


# --- this server -------------------------------------------------------------------------------


async def file_gone(clinic: Clinic) -> None:
    clinic.run.path.unlink()
    async with clinic.run.http.post(f"{clinic.run.daemon.web.url}/-/reload") as answer:
        await answer.read()


async def file_gone_and_back_with_an_error(clinic: Clinic) -> None:
    await file_gone(clinic)
    clinic.binding(application_id="")


async def vault_without_keys(clinic: Clinic) -> None:
    held = clinic.run.now().binding
    assert held is not None
    await clinic.run.daemon.vault.wipe(held.bind_id)


# --- the way -----------------------------------------------------------------------------------


async def nothing_listens(clinic: Clinic) -> None:
    clinic.binding(service_url=f"https://localhost:{await clinic.closed_port()}")


async def unknown_authority(clinic: Clinic) -> None:
    await clinic.served_by(answering(http()), stranger(clinic.authority))


async def expired_certificate(clinic: Clinic) -> None:
    expired = signed("localhost", by=clinic.authority.root, days=(-30, -1))
    await clinic.served_by(answering(http()), clinic.authority.context(expired))


async def certificate_of_another_host(clinic: Clinic) -> None:
    other = signed("elsewhere.test", by=clinic.authority.root, host="elsewhere.test")
    await clinic.served_by(answering(http()), clinic.authority.context(other))


async def no_tls(clinic: Clinic) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(http(b"", status="400 Bad Request"))
        await reader.read()

    await clinic.served_by(refuse)


async def cut_in_the_handshake(clinic: Clinic) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    await clinic.served_by(cut)


async def silent_in_the_handshake(clinic: Clinic) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    await clinic.served_by(hold)


async def ca_file_gone(clinic: Clinic) -> None:
    gone = Path(clinic.options["connection"]["ca_file"]).with_name("another.pem")
    gone.write_bytes(b"")
    clinic.connection(ca_file=str(gone))


async def silent_after_tls(clinic: Clinic) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        await reader.read()

    await clinic.served_by(hold, clinic.authority.good())


async def cut_before_an_answer(clinic: Clinic) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.transport.abort()

    await clinic.served_by(cut, clinic.authority.good())


# --- through a proxy ---------------------------------------------------------------------------


async def unknown_proxy(clinic: Clinic) -> None:
    clinic.through(3128, proxy_host="no-such-proxy.invalid")


async def no_proxy_listens(clinic: Clinic) -> None:
    clinic.through(await clinic.closed_port())


async def not_a_proxy(clinic: Clinic) -> None:
    clinic.through(await clinic.servers.open(answering(b"220 mail.corp.test ESMTP\r\n\r\n")))


async def inspected_behind_the_proxy(clinic: Clinic) -> None:
    await unknown_authority(clinic)
    clinic.through(await clinic.servers.open(Proxy().handle))


# --- who signs in ------------------------------------------------------------------------------


async def password_expired(clinic: Clinic) -> None:
    clinic.sandbox.world.users[DEMO_EMAIL.casefold()].password_expired = True


HTML = b"<html><body>Please log in to use this network</body></html>"
PORTAL = "Location: https://portal.hotel.test/\r\n"

CASES = (
    Case("the configuration file is gone", "configuration", "", file_gone),
    Case(
        "an option is missing, and no earlier configuration is in force",
        "configuration",
        "application_id",
        file_gone_and_back_with_an_error,
    ),
    Case(
        "a secret that is given by reference cannot be read",
        "configuration",
        "no-such-secret",
        binding(password="file:no-such-secret"),
    ),
    Case(
        "the service's name does not resolve",
        "dns",
        "no-such-host.invalid does not resolve",
        binding(service_url="https://no-such-host.invalid", trusted_suffixes="no-such-host.invalid"),
    ),
    Case("nothing listens on the port, or a firewall rejects", "tcp", "Connection refused", nothing_listens),
    Case(
        "the certificate comes from an unknown authority (a TLS-inspecting firewall)",
        "tls",
        'issued by "Inspecting Firewall CA"',
        unknown_authority,
    ),
    Case("the service's certificate has expired, or this host's clock is wrong", "tls", "expired", expired_certificate),
    Case("the certificate is that of another host", "tls", "ostname mismatch", certificate_of_another_host),
    Case("what listens does not speak TLS", "tls", "does not speak TLS", no_tls),
    Case("the connection is cut in the handshake", "tls", "closed the connection", cut_in_the_handshake),
    Case("nobody answers in the handshake", "tls", "the TLS handshake took longer", silent_in_the_handshake),
    Case("`ca_file` cannot be used", "tls", "[connection] ca_file", ca_file_gone),
    Case(
        "the account's own host presents a certificate of an unknown authority",
        "region tls",
        "issued by",
        trouble("forged-certificate"),
    ),
    Case(
        "the certificate of the account's own host has expired",
        "region tls",
        "expired",
        trouble("expired-certificate"),
    ),
    Case(
        "API 2.0: the certificate comes from an unknown authority",
        "tls",
        "issued by",
        trouble("forged-certificate"),
        method="application",
    ),
    Case(
        "a captive portal redirects",
        "http",
        'redirect to "portal.hotel.test"',
        answers(http(b"", status="302 Found", headers=PORTAL)),
    ),
    Case("a page answers instead of the service", "http", "is not JSON", answers(http(HTML))),
    Case("what answers is not HTTP", "http", "is not HTTP", answers(b"220 mail.corp.test ESMTP\r\n")),
    Case("the service is down (503)", "http", "HTTP 503", answers(http(b"", status="503 Service Unavailable"))),
    Case("the service fails (500)", "http", "HTTP 500", trouble("service-error")),
    Case("the service asks to slow down (429)", "http", "HTTP 429", trouble("throttled")),
    Case("the service does not answer in time", "http", "took longer", silent_after_tls),
    Case("the connection is cut before an answer", "http", "the connection was cut", cut_before_an_answer),
    Case("the answer breaks off in the middle", "http", "in the middle of the answer", trouble("half-body")),
    Case("this host's clock is wrong", "clock", " s apart", trouble("clock-skew")),
    Case("no account owns the domain of the address", "discover", "owns the domain", trouble("unknown-domain")),
    Case("discovery names a host that is not trusted", "discover", "attacker.example", trouble("untrusted-base")),
    Case("the application is unknown or disabled", "discover", "err_developer_key", trouble("bad-application")),
    Case(
        "the account does not allow this kind of sign-in",
        "discover",
        "may sign in with",
        trouble("forbidden-authentication-type", endpoint="discover"),
    ),
    Case("the account is hosted in another region", "discover", "region", trouble("wrong-region")),
    Case("the vault lost the keys", "keys held", "the vault holds no keys", vault_without_keys),
    Case("the keys were revoked at the service", "sign-in", "HTTP 401", trouble("revoked-keys")),
    Case("the keys have expired", "sign-in", "HTTP 418", trouble("expired-binding")),
    Case(
        "API 2.0: the client secret is wrong (`--sign-in`)",
        "sign-in",
        "invalid_client",
        trouble("wrong-password"),
        sign_in=True,
        method="application",
    ),
    Case("the password is wrong (`--sign-in`)", "sign-in", "the login of", trouble("wrong-password"), sign_in=True),
    Case(
        "no password is configured (`--sign-in`)",
        "sign-in",
        "no [binding] password",
        binding(password=""),
        sign_in=True,
    ),
    Case("the user is locked (`--sign-in`)", "account", "ock", trouble("locked-account"), sign_in=True),
    Case("the user must sign in with two steps (`--sign-in`)", "account", "", trouble("two-step"), sign_in=True),
    Case("the password has expired (`--sign-in`)", "account", "xpired", password_expired, sign_in=True),
    Case("the user lacks the role", "role", "Synchronization Engine Administrator", trouble("missing-role")),
    Case("the proxy's name does not resolve", "proxy dns", "no-such-proxy.invalid", unknown_proxy),
    Case("nothing listens at the proxy's port", "proxy tcp", "no connection to the proxy", no_proxy_listens),
    Case("what listens there is no proxy", "proxy connect", "does not answer CONNECT", not_a_proxy),
    Case("the proxy does not allow the destination", "proxy connect", "answered 403", proxy_says("403 Forbidden")),
    Case("the proxy cannot reach the service", "proxy connect", "answered 502", proxy_says("502 Bad Gateway")),
    Case(
        "the proxy wants a sign-in, and none is configured",
        "proxy authentication",
        "offers Basic",
        proxy_says("407 No", BASIC),
    ),
    Case(
        "the proxy refuses name and password",
        "proxy authentication",
        "did not accept the name and password",
        proxy_says("407 No", BASIC, **SIGN_IN),
    ),
    Case(
        "the proxy offers only NTLM and Negotiate",
        "proxy authentication",
        "it offers Negotiate, NTLM",
        proxy_says("407 No", "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n", **SIGN_IN),
    ),
    Case(
        "TLS is inspected behind the proxy",
        "tls",
        'issued by "Inspecting Firewall CA"',
        inspected_behind_the_proxy,
    ),
)
