"""The doctor on a configuration alone: in the command's own process, without a daemon and without its binding."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon import examination
from daemon.config.ini import read_config
from daemon.examination import examine_alone
from daemon.sandbox import Sandbox
from daemon.store.journal import SqliteJournal
from states import BindStep, State
from tests.clock import ManualClock
from tests.doctor.clinic import Clinic
from tests.doctor.conftest import Opened
from tests.doctor.microsoft import MICROSOFT
from tests.running import running, site_options, write


@pytest.fixture
def config(tmp_path: Path, sandbox: Sandbox) -> Path:
    return write(tmp_path / "config.ini", site_options(sandbox, automatic="no"))


async def examined(config: Path, *, sign_in: bool = False) -> dict[str, BindStep]:
    reading = read_config(config)
    steps = await examine_alone(reading, reading.sites[0], actor="cli:tester", sign_in=sign_in)
    return {step.step: step for step in steps}


async def test_the_way_is_examined_and_nothing_is_written(config: Path, sandbox: Sandbox) -> None:
    """No database is made, no key is asked for, nobody signs in."""
    layers = await examined(config)
    assert [name for name, step in layers.items() if step.status == "skipped"] == [
        *("keys held", "sign-in", "account", "role", *MICROSOFT),
    ]
    assert not [name for name, step in layers.items() if step.status == "failed"]
    assert sorted(path.name for path in config.parent.iterdir()) == ["config.ini", "sandbox"]
    assert sandbox.calls.get("login", 0) == 0


async def test_a_file_with_errors_fails_at_the_configuration_with_every_finding(config: Path) -> None:
    text = config.read_text()
    config.write_text(f"{text}\n[site]\ndi = x\n[daemon]\npace = fast\n")
    layers = await examined(config)
    assert layers["configuration"].status == "failed"
    assert "[site] di" in layers["configuration"].detail
    assert layers["dns"].detail == "not reached because configuration failed"


async def test_errors_of_the_daemon_section_count_too(config: Path) -> None:
    """The site is fine, but no daemon would start with this file."""
    config.write_text(f"{config.read_text()}\n[daemon]\npace = fast\n")
    layers = await examined(config)
    assert layers["configuration"].status == "failed"
    assert "pace" in layers["configuration"].detail


async def test_a_login_is_recorded_in_the_database_and_leaves_nothing_behind(config: Path, sandbox: Sandbox) -> None:
    layers = await examined(config, sign_in=True)
    assert {layers[name].status for name in ("sign-in", "account", "role")} == {"passed"}
    assert list(sandbox.world.keys) == []
    journal = SqliteJournal(config.parent / "sitebind.db")
    await journal.open()
    records = await journal.audit(site="default")
    await journal.close()
    assert [(record.event, record.actor) for record in records] == [
        ("doctor_ran", "cli:tester"),
        ("doctor_finished", "cli:tester"),
    ]


async def test_a_refused_login_is_remembered_for_the_daemon(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Neither the next examination nor the daemon that is started then tries it again."""
    sandbox.script.start("wrong-password")
    for _ in range(2):
        assert (await examined(config, sign_in=True))["sign-in"].status == "failed"
    assert sandbox.calls["login"] == 1
    write(config, site_options(sandbox))
    async with running(config, sandbox, clock) as run:
        assert (await run.reach(State.CONFIGURED)).refused_credentials is not None
        site = await run.asked("GET", "/api/v1/sites/default")
        assert "refused-credentials-unchanged" in {problem["code"] for problem in site["problems"]}
    assert sandbox.calls["login"] == 1


async def test_beside_a_running_daemon_no_login_is_made(clinic: Opened) -> None:
    """The database is the daemon's, so nothing could be recorded."""
    ward: Clinic
    async with clinic(bound=False) as ward:
        layers = await examined(ward.run.path, sign_in=True)
        assert layers["discover"].status == "passed"
        assert "is in use by" in layers["sign-in"].detail
        assert ward.sandbox.calls.get("login", 0) == 0


async def test_a_database_of_another_user_is_left_alone(
    config: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that root makes there would lock the daemon out of its own database."""
    stranger = config.stat().st_uid + 1
    monkeypatch.setattr(examination.os, "geteuid", lambda: stranger)
    layers = await examined(config, sign_in=True)
    assert "run this command as that user" in layers["sign-in"].detail
    assert not (config.parent / "sitebind.db").exists()
    assert sandbox.calls.get("login", 0) == 0
