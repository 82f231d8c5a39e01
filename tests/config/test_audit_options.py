"""Checkpoints and retention of the audit trail: what can be written, and what is said of it beforehand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.config.impact import daemon_changes
from daemon.config.model import DaemonSettings, Reading
from daemon.config.secrets import SecretUnreadable, resolve_now
from daemon.config.values import duration
from states import Impact

Read = Callable[[str], Reading]
Findings = Callable[[str], list[str]]
HEAD = "[daemon]\n"
KEY = "checkpoint_key = credential:checkpoint\n"


def settings(read: Read, valid: str, lines: str) -> DaemonSettings:
    daemon = read(valid + HEAD + lines).daemon
    assert daemon is not None
    return daemon


@pytest.mark.parametrize("written, seconds", [("365d", 31_536_000), ("24h", 86_400), ("1D", 86_400)])
def test_how_long_records_are_kept_is_written_in_days_or_hours(
    read: Read, valid: str, *, written: str, seconds: int
) -> None:
    assert settings(read, valid, f"audit_keep = {written}\n{KEY}").audit_keep == seconds


def test_nothing_is_pruned_unless_somebody_wants_it(read: Read, valid: str, findings: Findings) -> None:
    daemon = settings(read, valid, "log_level = info")
    assert (daemon.audit_keep, daemon.checkpoint_file, daemon.checkpoint_key) == (None, None, None)
    assert findings(valid) == []


def test_less_than_a_day_cannot_be_kept(valid: str, findings: Findings) -> None:
    (finding,) = findings(f"{valid}{HEAD}audit_keep = 1h\n{KEY}")
    assert "is out of range; from 24h to 36500d" in finding


@pytest.mark.parametrize("line", ["checkpoint_file = /mnt/log/points.jsonl", "audit_keep = 365d"])
def test_what_must_be_signed_needs_the_key(valid: str, findings: Findings, *, line: str) -> None:
    (finding,) = findings(f"{valid}{HEAD}{line}")
    assert "[daemon] checkpoint_key" in finding
    assert line.split(maxsplit=1)[0] in finding


def test_what_lies_beside_the_database_is_no_second_place(valid: str, findings: Findings) -> None:
    lines = "checkpoint_file = points.jsonl\ncheckpoint_key = file:points.key\n"
    found = findings(f"{valid}{HEAD}{lines}")
    assert len(found) == 2
    assert found[0].startswith("config.ini:11: [daemon] checkpoint_file: lies beside the database: whoever cuts off")
    assert found[1].startswith("config.ini:12: [daemon] checkpoint_key: lies beside the database: whoever copies that")


def test_another_folder_is_fine(valid: str, findings: Findings) -> None:
    lines = "checkpoint_file = /mnt/log/points.jsonl\ncheckpoint_key = file:/etc/sitebind/points.key\n"
    assert findings(f"{valid}{HEAD}{lines}checkpoint_every = 5m\n") == []


def test_how_often_nothing_is_written_is_no_use(valid: str, findings: Findings) -> None:
    (finding,) = findings(f"{valid}{HEAD}checkpoint_every = 5m\n")
    assert "[daemon] checkpoint_every: is not used, because checkpoint_file is not set" in finding


def test_all_of_them_are_applied_without_a_restart(read: Read, valid: str) -> None:
    before = settings(read, valid, "log_level = info")
    after = settings(read, valid, f"checkpoint_file = /a\ncheckpoint_every = 5m\naudit_keep = 30d\n{KEY}")
    changes = daemon_changes(before, after)
    assert [change.option for change in changes] == [
        "checkpoint_file", "checkpoint_key", "checkpoint_every", "audit_keep",
    ]  # fmt: skip
    assert {change.impact for change in changes} == {Impact.APPLY}


@pytest.mark.parametrize("seconds, text", [(90, "90s"), (300, "5m"), (86_400, "24h"), (90_000, "25h"), (604_800, "7d")])
def test_a_duration_is_written_in_the_largest_unit_that_holds_it(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_a_private_key_may_have_lines_and_nothing_else_may(read: Read, valid: str, tmp_path: Path) -> None:
    """Also not for another option: a password with a line end would be a header of its own somewhere."""
    file = tmp_path / "points.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", file], check=True, capture_output=True)
    daemon = settings(read, valid, f"checkpoint_key = file:{file}\napi_token = file:{file}")
    assert daemon.checkpoint_key is not None
    assert daemon.api_token is not None
    assert resolve_now(daemon.checkpoint_key).reveal() == file.read_text().rstrip("\n")
    with pytest.raises(SecretUnreadable, match="holds more than one line"):
        resolve_now(daemon.api_token)
    file.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(SecretUnreadable, match=r"without a passphrase; `sitebind audit key --new PATH` makes one"):
        resolve_now(daemon.checkpoint_key)
