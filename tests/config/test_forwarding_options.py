"""Where the audit trail is sent: what can be written, and what is said of it before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.audit_values import Receiver
from daemon.config.impact import daemon_changes
from daemon.config.model import DaemonSettings, Reading
from states import Impact

Read = Callable[[str], Reading]
Findings = Callable[[str], list[str]]
HEAD = "[daemon]\n"


def settings(read: Read, valid: str, lines: str) -> DaemonSettings:
    daemon = read(valid + HEAD + lines).daemon
    assert daemon is not None
    return daemon


@pytest.mark.parametrize(
    "written, meant",
    [
        ("tls://siem.example.com:6514", Receiver(host="siem.example.com", port=6514)),
        ("TLS://SIEM.example.com:6514/", Receiver(host="siem.example.com", port=6514)),
        ("tcp://127.0.0.1:601", Receiver(host="127.0.0.1", port=601, tls=False)),
        ("tcp://[::1]:601", Receiver(host="::1", port=601, tls=False)),
    ],
)
def test_a_receiver_is_a_way_a_host_and_a_port(
    read: Read, valid: str, findings: Findings, *, written: str, meant: Receiver
) -> None:
    assert settings(read, valid, f"audit_forward = {written}").audit_forward == meant
    assert findings(f"{valid}{HEAD}audit_forward = {written}") == []
    assert str(meant) == written.lower().removesuffix("/")


@pytest.mark.parametrize(
    "written, said",
    [
        ("siem.example.com:6514", '"siem.example.com:6514" begins with neither tls:// nor tcp://'),
        ("https://siem.example.com", '"https://siem.example.com" begins with neither tls:// nor tcp://'),
        ("udp://siem.example.com:514", '"udp://siem.example.com:514" begins with neither tls:// nor tcp://'),
        ("tls://siem.example.com", '"tls://siem.example.com" names no port'),
    ],
)
def test_what_is_no_receiver_is_told_how_one_is_written(
    valid: str, findings: Findings, *, written: str, said: str
) -> None:
    (finding,) = findings(f"{valid}{HEAD}audit_forward = {written}")
    assert finding.startswith(f"config.ini:11: [daemon] audit_forward: {said}; it is written tls://host:port")
    assert "6514" in finding


def test_a_sign_in_in_the_address_is_not_quoted(valid: str, findings: Findings) -> None:
    (finding,) = findings(f"{valid}{HEAD}audit_forward = tls://me:secret@siem.example.com:6514")
    assert "secret" not in finding


def test_the_clear_over_the_network_is_warned_about(valid: str, findings: Findings) -> None:
    (finding,) = findings(f"{valid}{HEAD}audit_forward = tcp://siem.example.com:601")
    assert finding == (
        "config.ini:11: [daemon] audit_forward: sends the audit trail in the clear: whoever is on the way can read and "
        "change it; use tls://, or tcp:// to a relay on this machine that speaks TLS"
    )


@pytest.mark.parametrize("name", ["audit_forward_certificate", "audit_forward_key"])
def test_a_certificate_and_its_key_belong_together(valid: str, findings: Findings, *, name: str) -> None:
    other = {"audit_forward_certificate", "audit_forward_key"} - {name}
    (finding,) = findings(f"{valid}{HEAD}audit_forward = tls://localhost:6514\n{name} = file.pem")
    assert finding == f"config.ini:12: [daemon] {other.pop()}: is not set, and {name} needs it"


def test_what_is_not_used_is_told(valid: str, findings: Findings) -> None:
    (alone,) = findings(f"{valid}{HEAD}audit_forward_format = cef")
    assert alone == (
        "config.ini:11: [daemon] audit_forward_format: is not used, because audit_forward is not set; remove it, or "
        "set audit_forward = tls://host:6514"
    )
    (plain,) = findings(f"{valid}{HEAD}audit_forward = tcp://localhost:601\naudit_forward_ca = ca.pem")
    assert "audit_forward_ca: is not used, because audit_forward begins with tcp://" in plain
    (once,) = findings(f"{valid}{HEAD}audit_forward = nonsense\naudit_forward_ca = ca.pem")
    assert "neither tls:// nor tcp://" in once


def test_the_files_are_beside_the_configuration_and_every_change_is_applied_at_once(
    read: Read, valid: str, tmp_path: Path
) -> None:
    before = settings(read, valid, "")
    after = settings(
        read, valid,
        "audit_forward = tls://localhost:6514\naudit_forward_format = jsonl\naudit_forward_from = now\n"
        "audit_forward_ca = ca.pem\naudit_forward_certificate = own.pem\naudit_forward_key = own.key\n",
    )  # fmt: skip
    assert (before.audit_forward, before.audit_forward_format, before.audit_forward_from) == (
        None,
        "syslog",
        "beginning",
    )
    files = (after.audit_forward_ca, after.audit_forward_certificate, after.audit_forward_key)
    assert files == (tmp_path / "ca.pem", tmp_path / "own.pem", tmp_path / "own.key")
    changes = daemon_changes(before, after)
    assert len(changes) == 6
    assert {change.impact for change in changes} == {Impact.APPLY}
