"""Kerberos at servers that demand a binding to TLS, or do not keep to what was agreed upon."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from daemon.ports import Examination
from daemon.providers.kerberos import end_point
from daemon.providers.ldap_errors import KERBEROS_ROWS, Row
from daemon.providers.ldap_seal import RECEIVES
from states import Fault
from tests.directory.acceptor import NONE, SEALED, SIGNED, Acceptor, accepting, bound_to, framed, sealed
from tests.directory.certificates import Pair
from tests.directory.conftest import Adapters, access_to
from tests.directory.dns_zone import DnsZone
from tests.directory.realm import Realm
from tests.directory.samba import HOST, Samba

pytestmark = [pytest.mark.parts, pytest.mark.root]


@pytest.fixture
def acceptor(samba: Samba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Acceptor:
    """With the domain controller's own keys."""
    Realm(tmp_path, monkeypatch).served_by(samba.address)
    return Acceptor(str(samba.keytab(f"ldap/{HOST}", tmp_path / "server.keytab")))


@pytest.fixture
async def here(adapters: Adapters) -> AsyncIterator[None]:
    """The domain controller's name leads to this process."""
    async with DnsZone() as zone:
        zone.a[HOST] = "127.0.0.1"
        adapters.nameservers = [f"127.0.0.1:{zone.port}"]
        yield


async def examined(
    adapters: Adapters, samba: Samba, acceptor: Acceptor, certificate: Pair | None = None
) -> Examination:
    async with accepting(acceptor, certificate) as port:
        security = "none" if certificate is None else "ldaps"
        access = access_to(samba, sign_in="kerberos", server=f"{HOST}:{port}", security=security, base_dn="", lookup="")
        async with asyncio.timeout(30):
            return await adapters.directory(access).examine()


def ended(examination: Examination) -> tuple[str, Fault | None, str]:
    last = examination.layers[-1]
    return last.name, last.fault.fault if last.fault else None, last.detail


@pytest.mark.usefixtures("here")
class TestBinding:
    async def test_a_server_that_demands_the_binding_gets_it(
        self, adapters: Adapters, samba: Samba, acceptor: Acceptor
    ) -> None:
        acceptor.binding = bound_to(samba.certificate)
        examination = await examined(adapters, samba, acceptor, samba.certificate)
        assert examination.layers[2].detail.endswith("by Kerberos, bound to the TLS connection")
        assert acceptor.chosen == NONE
        assert acceptor.asked

    async def test_a_server_behind_another_certificate_refuses_and_that_is_told(
        self, adapters: Adapters, samba: Samba, acceptor: Acceptor
    ) -> None:
        acceptor.binding = bound_to(samba.authority.server("another", names=[HOST]))
        layer, fault, detail = ended(await examined(adapters, samba, acceptor, samba.certificate))
        assert (layer, fault) == ("directory sign-in", Fault.DIRECTORY_KERBEROS_REFUSED)
        assert "bound to another TLS connection than the one that the server sees" in detail
        assert "look for something in between that opens TLS" in detail

    async def test_a_server_that_insists_on_signing_inside_tls_is_told(
        self, adapters: Adapters, samba: Samba, acceptor: Acceptor
    ) -> None:
        acceptor.offer = bytes([SIGNED | SEALED, 0, 0x10, 0])
        layer, fault, detail = ended(await examined(adapters, samba, acceptor, samba.certificate))
        assert (layer, fault) == ("directory sign-in", Fault.DIRECTORY_KERBEROS_REFUSED)
        assert "the server insists on signing inside TLS" in detail


@pytest.mark.usefixtures("here")
class TestAgreement:
    async def test_requests_are_cut_to_what_the_server_takes(
        self, adapters: Adapters, samba: Samba, acceptor: Acceptor
    ) -> None:
        acceptor.offer = bytes([SEALED, 0, 0, 90])
        examination = await examined(adapters, samba, acceptor)
        assert examination.layers[2].detail.endswith("all that follows is signed and sealed")
        assert acceptor.chosen == SEALED
        assert acceptor.asked[0] == ""

    @pytest.mark.parametrize("offered", [NONE, SIGNED, NONE | SIGNED])
    async def test_without_tls_a_server_that_does_not_seal_is_refused(
        self, adapters: Adapters, samba: Samba, acceptor: Acceptor, offered: int
    ) -> None:
        acceptor.offer = bytes([offered, 0, 0x10, 0])
        layer, fault, detail = ended(await examined(adapters, samba, acceptor))
        assert (layer, fault) == ("directory sign-in", Fault.DIRECTORY_KERBEROS_REFUSED)
        assert "without TLS it would be plain text" in detail
        assert acceptor.asked == []

    @pytest.mark.parametrize("offer", [b"", b"\x07", b"\x07\0\x10\0\0"])
    async def test_an_offer_that_makes_no_sense_is_told(
        self, adapters: Adapters, samba: Samba, acceptor: Acceptor, offer: bytes
    ) -> None:
        acceptor.offer = offer
        layer, fault, detail = ended(await examined(adapters, samba, acceptor))
        assert (layer, fault) == ("directory sign-in", Fault.ANSWER_MALFORMED)
        assert "the layers that it offers make no sense" in detail

    async def test_success_before_an_agreement_is_none(
        self, adapters: Adapters, samba: Samba, acceptor: Acceptor
    ) -> None:
        """Somebody on the way could say so, and all that follows would be plain text."""
        acceptor.hasty = True
        layer, fault, detail = ended(await examined(adapters, samba, acceptor))
        assert (layer, fault) == ("directory sign-in", Fault.ANSWER_MALFORMED)
        assert "before what protects the connection was agreed upon" in detail
        assert acceptor.asked == []


REFUSALS = {7: "takes no sign-in by Kerberos", 8: "inside TLS", 49: "did not accept the ticket", 53: "inside TLS"}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("row", [row for row in KERBEROS_ROWS if not row.sub], ids=lambda row: str(row.code))
async def test_every_refusal_of_the_sign_in_shows_its_words_and_its_remedy(
    adapters: Adapters, samba: Samba, acceptor: Acceptor, row: Row
) -> None:
    acceptor.end = row.code, "the server's words"
    layer, fault, detail = ended(await examined(adapters, samba, acceptor))
    assert (layer, fault) == ("directory sign-in", Fault.DIRECTORY_KERBEROS_REFUSED)
    assert f"{row.words} (LDAP code {row.code}; the server's words)" in detail
    assert REFUSALS[row.code] in detail
    assert fault.remedy.startswith("Set [directory] security = none, where Kerberos itself signs and seals everything")


BREAKING = {
    "plain text": lambda context, data: data,
    "signed only": lambda context, data: framed(context.wrap(data, False).message),
    "a changed byte": lambda context, data: sealed(context, data)[:-1] + b"\0",
    "said twice": lambda context, data: 2 * sealed(context, data),
    "too long": lambda context, data: (RECEIVES + 1).to_bytes(4, "big") + sealed(context, data)[4:],
    "nothing in it": lambda context, data: framed(b""),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("how", BREAKING)
async def test_what_is_not_sealed_as_agreed_ends_the_connection(
    adapters: Adapters, samba: Samba, acceptor: Acceptor, how: str
) -> None:
    acceptor.speak = BREAKING[how]
    layer, fault, detail = ended(await examined(adapters, samba, acceptor))
    assert layer == "base dn"
    assert fault is Fault.ANSWER_MALFORMED
    assert "the server sent something that is not sealed as the sign-in agreed" in detail


def certificate(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, algorithm: object) -> bytes:
    """A certificate that is signed in this way, in DER."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dc1")])
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(moment).not_valid_after(moment + timedelta(days=9))
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)  # type: ignore[arg-type]


def test_the_binding_takes_the_hash_of_the_certificates_signature() -> None:
    """RFC 5929, section 4.1: that one, and SHA-256 for those that are weaker."""
    key = ec.generate_private_key(ec.SECP256R1())
    for algorithm, named in ((hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384"), (hashes.SHA512(), "sha512")):
        der = certificate(key, algorithm)
        assert end_point(der) == b"tls-server-end-point:" + hashlib.new(named, der).digest()
    assert end_point(certificate(ed25519.Ed25519PrivateKey.generate(), None)) == b""
    assert end_point(b"no certificate") == b""
