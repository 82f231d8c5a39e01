"""The way to a signed-in connection: which server, TCP, TLS, the sign-in; each a layer, and the next server after it.

Called by `ldap_session.py` for every connection and by `ldap_directory.py` for an examination: the same code.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from daemon.ports import DIRECTORY_LAYERS, DirectoryAccess, Layer, ProviderFault
from daemon.providers import failure, ldap_errors, trust
from daemon.providers.domain_controllers import DomainControllers, Server
from daemon.providers.failure import Target
from daemon.providers.layers import Finding, walked
from daemon.providers.ldap_connection import LdapConnection, LdapLimits
from daemon.providers.ldap_signin import DirectorySignIn
from daemon.providers.ldap_wire import Lost, Wire
from daemon.providers.race import first_connection
from daemon.providers.refused_sign_ins import RefusedSignIns
from daemon.providers.trust import TrustStore
from daemon.threads import Threads
from states import Fault

SERVER, TLS, SIGN_IN, BASE, LOOKUP = DIRECTORY_LAYERS

IN_THE_CLEAR: Final = (
    "Set [directory] security = ldaps or starttls: everybody on the way can read the user's password and all answers."
)
# The troubles of one server; of every other one, the next server would say the same.
_OF_ONE_SERVER: Final = frozenset(
    {
        Fault.CONNECTION_LOST,
        Fault.DIRECTORY_BUSY,
        Fault.DIRECTORY_UNREACHABLE,
        Fault.KERBEROS_SERVER_UNKNOWN,
        Fault.NAME_NOT_RESOLVED,
        Fault.SERVICE_ERROR,
        Fault.TIMED_OUT,
        Fault.TLS_FAILED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What connections share, whatever they are for."""

    trust: TrustStore
    refused: RefusedSignIns
    controllers: DomainControllers
    limits: LdapLimits
    threads: Threads
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Opened:
    """A way that was walked: its layers, and the connection where it came about."""

    layers: tuple[Layer, ...]
    connection: LdapConnection | None

    def later(self, seconds: float) -> Opened:
        """The same, taking `seconds` in all: what it took to find a server counts to the first layer."""
        first, *others = self.layers
        rest = sum(layer.seconds for layer in others)
        return replace(self, layers=(replace(first, seconds=round(max(0.0, seconds - rest), 4)), *others))

    def connected(self) -> LdapConnection:
        """The connection. Raises the `ProviderFault` of the layer where the way ended."""
        if self.connection is not None:
            return self.connection
        ended = self.layers[-1].fault
        raise ProviderFault(Fault.DIRECTORY_UNREACHABLE, "no server") if ended is None else anew(ended)


class Connector:
    """Opens connections for one access."""

    def __init__(self, access: DirectoryAccess, *, ca_file: str, surroundings: Surroundings) -> None:
        self._access = access
        self._ca_file = ca_file
        self._around = surroundings

    async def open(self) -> Opened:
        """Try the servers one after the other. A way that failed is told by its layers, nothing is raised."""
        servers, monotonic, most = list[Server](), self._around.monotonic, self._around.limits.servers
        began = monotonic()
        looked = await walked([(SERVER, lambda: self._found(servers))], monotonic=monotonic)
        furthest, down = Opened(looked, None), list[str]()
        for server in servers[:most]:
            tried = (await self._tried(server, down)).later(monotonic() - began)
            if tried.connection is not None:
                return tried
            if len(tried.layers) >= len(furthest.layers):
                furthest = tried
            ended = tried.layers[-1].fault
            if ended is None or ended.fault not in _OF_ONE_SERVER:
                return tried
            down.append(ended.detail)
        return furthest if len(down) < 2 else _all_down(furthest, down)

    async def _found(self, servers: list[Server]) -> Finding:
        servers += await self._around.controllers.servers(self._access, seconds=self._around.limits.connect)
        return Finding(detail=", ".join(map(str, servers)))

    async def _tried(self, server: Server, down: Sequence[str]) -> Opened:
        way = _Way(server, self._access, ca_file=self._ca_file, around=self._around, down=down)
        finished = False
        try:
            steps = ((SERVER, way.reach), (TLS, way.protect), (SIGN_IN, way.sign_in))
            layers = await walked(steps, monotonic=self._around.monotonic)
            finished = layers[-1].fault is None
        finally:
            if not finished:
                way.abort()
        return Opened(layers, way.connection if finished else None)


class _Way:
    """To one server."""

    def __init__(
        self, server: Server, access: DirectoryAccess, *, ca_file: str, around: Surroundings, down: Sequence[str]
    ) -> None:
        self._server = server
        self._access = access
        self._ca_file = ca_file
        self._around = around
        self._down = down
        self._wire: Wire | None = None
        self._target = Target(host=server.host, port=server.port)

    @property
    def connection(self) -> LdapConnection:
        """The connection that was made. There is none before `reach`."""
        return LdapConnection(self._connected, server=str(self._server), limits=self._around.limits)

    @property
    def _connected(self) -> Wire:
        if self._wire is None:
            raise RuntimeError("the layers are walked in order, and `reach` is the first")
        return self._wire

    def abort(self) -> None:
        """Cut what was made so far."""
        if self._wire is not None:
            self._wire.abort()

    async def reach(self) -> Finding:
        """Name and TCP."""
        server, limits = self._server, self._around.limits
        addresses = await self._around.controllers.addresses(server.host, seconds=limits.connect)
        reason = ""
        try:
            async with asyncio.timeout(limits.connect):
                reader, writer = await first_connection(addresses, server.port)
            self._wire = Wire(reader, writer, largest=limits.largest)
        except TimeoutError:
            reason = f"it did not answer within {limits.connect:g} s"
        except OSError as error:
            reason = failure.reason_of(error)
        if reason:
            raise ProviderFault(Fault.DIRECTORY_UNREACHABLE, f"no connection to {server}: {reason}")
        peer = writer.get_extra_info("peername") or ("?", server.port)
        found = f" ({server.found})" if server.found else ""
        passed_over = f"; passed over: {'; '.join(self._down)}" if self._down else ""
        return Finding(detail=f"connected to {server} at {failure.authority(peer[0], peer[1])}{found}{passed_over}")

    async def protect(self) -> Finding:
        """TLS, verified; or none, with a warning unless the sign-in brings protection of its own."""
        if self._access.security == "none":
            if self._access.sign_in == "kerberos":
                return Finding(
                    detail="no TLS ([directory] security = none): Kerberos signs and seals after the sign-in"
                )
            detail = "the connection is not encrypted ([directory] security = none)"
            return Finding(detail=detail, status="warning", remedy=IN_THE_CLEAR)
        context = await self._around.trust.context(self._ca_file)
        return Finding(detail=await self._shaken(context))

    async def _shaken(self, context: ssl.SSLContext) -> str:
        wire, seconds, refused = self._connected, self._around.limits.tls, ""
        try:
            async with asyncio.timeout(seconds):
                await self._encrypted(wire, context)
        except ssl.SSLCertVerificationError as error:
            refused = error.verify_message
            fault = failure.tls_failed(self._target, error)
        except TimeoutError:
            fault = failure.timed_out(self._target, doing="the TLS handshake", seconds=seconds)
        except Lost as lost:
            fault = self._no_start_tls(lost)
        except OSError as error:
            fault = failure.tls_failed(self._target, error)
        else:
            # Off the loop: what reads a certificate is loaded with the first one.
            return await asyncio.to_thread(_in_words, wire.tls(), self._access.security)
        raise await self._untrusted(refused) if refused else fault

    async def _encrypted(self, wire: Wire, context: ssl.SSLContext) -> None:
        """Raises `ProviderFault` when StartTLS is refused, and whatever a handshake raises."""
        if self._access.security == "starttls":
            refusal = await wire.start_tls(context=context, host=self._server.host)
            if refusal is not None:
                raise ldap_errors.tls_refused(refusal, server=str(self._server))
        else:
            await wire.upgrade(context=context, host=self._server.host)

    def _no_start_tls(self, lost: Lost) -> ProviderFault:
        if lost.malformed:
            detail = f"{self._server}: {lost.malformed} when StartTLS was asked for"
            return ProviderFault(Fault.ANSWER_MALFORMED, detail)
        return failure.connection_lost(self._target, doing="when StartTLS was asked for")

    async def _untrusted(self, reason: str) -> ProviderFault:
        """Fetch the refused certificate once more, to name its issuer."""
        presented, seconds, wire = "", self._around.limits.tls, None
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._around.controllers.addresses(self._server.host, seconds=seconds)
                wire = Wire(*await first_connection(addresses, self._server.port), largest=self._around.limits.largest)
                await self._encrypted(wire, trust.reading_context())
            presented = await asyncio.to_thread(_certificate, wire.tls())
        except (OSError, Lost, ProviderFault):
            # The issuer is help, not the finding: without it the fault says that it could not be read.
            presented = ""
        finally:
            if wire is not None:
                wire.abort()
        return failure.certificate_untrusted(self._target, reason=reason, presented=presented)

    async def sign_in(self) -> Finding:
        """By name and password or by Kerberos, as configured."""
        around, tls = self._around, self._connected.tls()
        sign_in = DirectorySignIn(
            access=self._access,
            server=self._server,
            certificate=(tls.getpeercert(binary_form=True) or b"") if tls is not None else b"",
            refused=around.refused,
            threads=around.threads,
            limits=around.limits,
        )
        return await sign_in.over(self.connection)


def _in_words(tls: ssl.SSLObject | None, security: str) -> str:
    version = tls.version() if tls is not None else "TLS"
    way = "StartTLS, " if security == "starttls" else ""
    return f"{way}{version}; {_certificate(tls)}"


def _certificate(tls: ssl.SSLObject | None) -> str:
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    return trust.in_words(der) if der else ""


def anew(fault: ProviderFault) -> ProviderFault:
    """A copy without a traceback, so that no two calls share one."""
    return ProviderFault(fault.fault, fault.detail, retry_after=fault.retry_after)


def _all_down(furthest: Opened, down: Sequence[str]) -> Opened:
    last = furthest.layers[-1]
    fault = last.fault or ProviderFault(Fault.DIRECTORY_UNREACHABLE, "")
    detail = f"none of {len(down)} servers served: {'; '.join(down)}"
    ended = replace(last, detail=detail, fault=ProviderFault(fault.fault, detail))
    return Opened((*furthest.layers[:-1], ended), None)
