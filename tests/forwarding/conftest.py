"""Certificates of the tests' own CA, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.clock import ManualClock
from tests.forwarding.rsyslog import Rsyslog, Tls
from tests.providers.conftest import Authority, Signer, signed


@dataclass(frozen=True)
class Papers:
    """A CA, a receiver's and a sender's certificate, and another CA that knows neither."""

    ca: Path
    stranger: Path
    receiver: tuple[Path, Path]
    sender: tuple[Path, Path]

    def tls(self, *, demand: bool = False) -> Tls:
        certificate, key = self.receiver
        return Tls(ca=self.ca, certificate=certificate, key=key, demand=demand)


def filed(folder: Path, name: str, signer: Signer) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(signer.certificate.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        signer.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, key


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder, elsewhere = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("another")
    ours, theirs = Authority(folder), Authority(elsewhere, "another CA")
    return Papers(
        ca=ours.ca_file,
        stranger=theirs.ca_file,
        receiver=filed(folder, "receiver", signed("localhost", by=ours.root)),
        sender=filed(folder, "sender", signed("sitebind", by=ours.root)),
    )


@pytest.fixture
def receiver(tmp_path: Path) -> Rsyslog:
    return Rsyslog(tmp_path / "receiver")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
