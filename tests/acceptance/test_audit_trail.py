"""The audit trail as an auditor takes it: with the daemon stopped, and with a tool that is not ours."""

from __future__ import annotations

import csv
import hashlib
import io
import json

import pytest

from tests.acceptance.installation import Installation
from tests.acceptance.processes import Said, run, sitebind

pytestmark = pytest.mark.slow


def bound_and_stopped(installation: Installation) -> int:
    """Leave a trail of several records behind; how many they are."""
    with installation.start() as program:
        installation.api.reach("bound")
        assert installation.api.rebind()["state"] == "succeeded"
        assert program.stop() == 0
    return len(installation.sitebind("audit", "export").out.splitlines())


def outsider(installation: Installation, sql: str) -> Said:
    """The sqlite3 command line tool, in the hand of somebody who may write to the file."""
    return run(["sqlite3", "-bail", installation.database, sql])


@pytest.mark.parts
def test_verify_passes_and_names_the_record_of_which_one_byte_was_changed(installation: Installation) -> None:
    records = bound_and_stopped(installation)
    said = installation.sitebind("audit", "verify")
    assert (said.code, f"Intact: {records} records, 1 to {records}." in said.out) == (0, True), said

    change = "UPDATE audit SET actor = 'D' || substr(actor, 2) WHERE seq = 3;"
    refused = outsider(installation, change)
    assert (refused.code != 0, "the audit trail is append-only" in refused.err) == (True, True), refused
    assert installation.sitebind("audit", "verify").code == 0

    triggers = outsider(installation, "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit';")
    assert len(triggers.out.split()) >= 2
    dropped = outsider(installation, "".join(f"DROP TRIGGER {name};" for name in triggers.out.split()) + change)
    assert (dropped.code, dropped.err) == (0, "")

    said = installation.sitebind("audit", "verify")
    assert said.code == 5
    assert "Broken at record 3:" in said.out
    assert "The 2 records before it are as they were written." in said.out
    report = json.loads(installation.sitebind("audit", "verify", "--json").out)
    assert (report["intact"], report["broken_at"]) == (False, 3)
    by_path = sitebind("audit", "verify", "--database", installation.database)
    assert by_path.code == 5


@pytest.mark.parts
@pytest.mark.parametrize("seq", [2, 4])
def test_verify_names_the_place_of_a_deleted_record(installation: Installation, seq: int) -> None:
    bound_and_stopped(installation)
    gone = outsider(installation, f"DROP TRIGGER audit_is_never_shortened; DELETE FROM audit WHERE seq = {seq};")
    assert (gone.code, gone.err) == (0, "")
    said = installation.sitebind("audit", "verify")
    assert (said.code, f"Broken at record {seq}" in said.out or f"record {seq + 1}" in said.out) == (5, True), said


@pytest.mark.parts
def test_a_daemon_that_starts_over_a_changed_trail_says_so_in_log_and_metrics(installation: Installation) -> None:
    bound_and_stopped(installation)
    sql = "DROP TRIGGER audit_is_never_changed; UPDATE audit SET at = replace(at, '2', '3') WHERE seq = 2;"
    assert outsider(installation, sql).code == 0
    with installation.start() as program:
        program.line(r"audit.*record 2")
        assert "sitebind_audit_chain_intact 0.0" in installation.api.ask("GET", "/metrics").text
        assert installation.api.site()["state"] == "bound"


def test_an_export_can_be_verified_without_us(installation: Installation) -> None:
    """The rule of DESIGN.md in a few lines of anybody's Python."""
    records = bound_and_stopped(installation)
    previous = "0" * 64
    lines = installation.sitebind("audit", "export", "--format", "jsonl").out.splitlines()
    for line in lines:
        record = json.loads(line)
        claimed = record.pop("hash")
        assert record["previous_hash"] == previous
        canonical = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(f"{previous}\n{canonical}".encode()).hexdigest()
        assert claimed == previous, line
    assert len(lines) == records
    rows = list(csv.DictReader(io.StringIO(installation.sitebind("audit", "export", "--format", "csv").out)))
    assert [row["seq"] for row in rows] == [str(number) for number in range(1, records + 1)]
