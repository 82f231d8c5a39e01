"""What an operator meets once in years, in one night: a full disk, a power cut, a ruined file, and then the auditor."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation
from tests.acceptance.processes import REPOSITORY, a_free_port, run, sitebind, until
from tests.acceptance.simulated import Simulated
from tests.torture.mounts import fill, tmpfs

pytestmark = [pytest.mark.slow, pytest.mark.root]

SIZE = "4m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which is filled up in a moment."""
    with tmpfs(tmp_path / "disk", size=SIZE) as place:
        yield place


@pytest.fixture
def site(small_disk: Path, simulated: Simulated) -> Installation:
    return Installation(small_disk, simulated, a_free_port())


def refused_for_want_of_space(site: Installation) -> bool:
    """Ask for a bind. Until the log's pages that are there already are used up, it may still be taken."""
    answer = site.api.ask("POST", "/api/v1/sites/default/rebind?wait=40")
    if answer.status == 503:
        assert answer.json["code"] == "journal-unavailable", answer
        return True
    assert answer.status in (200, 202), answer
    return False


def auditors_script() -> str:
    page = (REPOSITORY / "docs" / "audit.md").read_text(encoding="utf-8")
    found = re.search(r"^```python verify\.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_a_full_disk_a_power_cut_and_a_ruined_database_lose_no_record(site: Installation, tmp_path: Path) -> None:
    backup = tmp_path / "last-night.db"
    with site.start() as program:
        site.api.reach("bound")
        acknowledged = [site.api.rebind()["id"]]
        assert site.sitebind("backup", "--output", backup).code == 0

        # The disk is full: what cannot be recorded is not done, and what is held stays held.
        ballast = fill(site.folder)
        until(lambda: refused_for_want_of_space(site), "a bind is refused, since it cannot be recorded")
        assert site.api.ask("GET", "/-/healthy").status == 200
        assert site.api.site()["binding"] is not None
        assert "sitebind_audit_write_failures_total 0.0" not in site.api.ask("GET", "/metrics").text
        ballast.unlink()
        site.api.see(lambda now: now["state"] in ("bound", "failed"), "an open attempt has ended")
        acknowledged.append(site.api.rebind()["id"])

        # The power goes in the middle of a bind that was acknowledged.
        answer = site.api.ask("POST", "/rebind")
        assert answer.status == 202, answer
        acknowledged.append(answer.json["id"])
        program.kill()

    with site.start() as program:
        site.api.reach("bound")
        assert set(acknowledged) <= {bind["id"] for bind in site.api.binds()}
        assert site.sitebind("audit", "verify").code == 0
        assert program.stop() == 0

    # The file itself is ruined: it is refused with words, and last night's backup is put back.
    with site.database.open("r+b") as file:
        file.write(b"\xff" * 4096)
    refused = site.sitebind("run")
    assert (refused.code, "`sitebind restore BACKUP`" in refused.err) == (2, True), refused
    restored = site.sitebind("restore", "--yes", backup)
    assert restored.code == 0, restored
    with site.start() as program:
        site.api.reach("bound")
        assert {bind["id"] for bind in site.api.binds()} >= {acknowledged[0]}
        assert program.stop() == 0

    # The auditor trusts nobody's program but their own.
    export = tmp_path / "audit.jsonl"
    assert sitebind("audit", "export", "--database", site.database, "--output", export).code == 0
    (tmp_path / "verify.py").write_text(auditors_script(), encoding="utf-8")
    said = run([sys.executable, "-I", tmp_path / "verify.py", export])
    assert (said.code, "INTACT: records 1 to" in said.out) == (0, True), said
    assert '"event":"restored"' in export.read_text(encoding="utf-8")
