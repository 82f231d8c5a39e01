"""The unit: systemd understands it, it is closed as far as it can be, and the daemon lives within it."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation
from tests.acceptance.processes import REPOSITORY, Program, console_script, run, sitebind
from tests.deploy.units import BACKUP, FOLDER, RELOAD_DROP_IN, UNIT, allowed_calls, analysed, installed, settings

MOST_EXPOSED = 2.0
INSTALLING = REPOSITORY / "docs" / "install.md"


@pytest.mark.parts
@pytest.mark.parametrize("unit", [UNIT, BACKUP], ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path, unit: Path) -> None:
    said = analysed("verify", installed(tmp_path, unit))
    assert (said.code, said.out, said.err) == (0, "", "")


@pytest.mark.parts
@pytest.mark.parametrize("unit", [UNIT, BACKUP], ids=lambda path: path.name)
def test_the_service_is_exposed_by_2_of_10_at_the_most(tmp_path: Path, unit: Path) -> None:
    said = analysed("security", "--offline=true", installed(tmp_path, unit))
    found = re.search(rf"Overall exposure level for {unit.name}: ([\d.]+)", said.out)
    assert found is not None, said
    assert float(found[1]) <= MOST_EXPOSED, said.out


@pytest.mark.parts
@pytest.mark.slow
def test_what_the_daemon_asks_of_the_kernel_is_what_the_unit_allows(installation: Installation, tmp_path: Path) -> None:
    """A bind, a reload and a stop under strace: no call outside the filter, no memory both written and executed."""
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-o", trace, *console_script(), "run", "--config", installation.config]
    with Program(command, cwd=installation.folder) as program:
        program.line("listening on", within=90)
        installation.api.see(lambda site: site["state"] == "bound", "it is bound", within=90)
        assert installation.sitebind("reload").code == 0
        assert installation.sitebind("unbind", "--yes").code == 0
        # strace ends as the daemon does, and hands no signal on.
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        run(["kill", *children])
        assert program.ended(within=90) == 0
    calls = trace.read_text(encoding="utf-8", errors="replace")
    used = set(re.findall(r"^\d+ +(\w+)\(", calls, re.MULTILINE))
    assert used - allowed_calls() == set()
    assert {"openat", "mmap", "sendto"} <= used
    executable = [line for line in calls.splitlines() if "PROT_EXEC" in line]
    assert not [line for line in executable if "mprotect(" in line or "PROT_WRITE" in line]


@pytest.mark.slow
def test_the_watchdogs_end_leaves_every_threads_place_in_the_log(installation: Installation) -> None:
    """SIGABRT is what systemd sends when the watchdog was not fed."""
    (pair,) = settings(UNIT)["Environment"]
    with Program(
        [*console_script(), "run", "--config", installation.config],
        cwd=installation.folder,
        env=dict([pair.split("=", 1)]),
    ) as program:
        program.line("listening on")
        program.send(signal.SIGABRT)
        assert program.ended() == -signal.SIGABRT
        assert "most recent call first" in program.err
        assert program.err.count("Thread 0x") >= 2


def test_the_unit_speaks_the_daemons_protocol() -> None:
    unit = settings(UNIT)
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["WatchdogSec"] == ["60s"]
    assert unit["ReadWritePaths"] == ["-/etc/sitebind"], "the page writes there"
    assert {unit[f"{kind}Directory"][0] for kind in ("State", "Runtime", "Configuration")} == {"sitebind"}
    assert not unit.keys() & {"DynamicUser", "EnvironmentFile", "LoadCredential"}


def test_what_ends_by_itself_is_started_again_and_what_is_stopped_is_not(installation: Installation) -> None:
    unit = settings(UNIT)
    assert unit["Restart"] == ["on-failure"], "0 is the code after a stop in order, and no failure"
    assert not any(name.startswith("RestartPrevent") for name in unit)
    installation.save(daemon={"listen": "nowhere"})
    assert installation.sitebind("run").code == 2


@pytest.mark.parts
def test_the_drop_in_of_the_documents_fits_the_unit(tmp_path: Path) -> None:
    found = re.search(r"```ini drop-in\n(.*?)```", INSTALLING.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    unit = installed(tmp_path)
    drop_in = tmp_path / "sitebind.service.d" / "read-only.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(found[1])
    said = analysed("verify", unit)
    assert (said.code, said.out, said.err) == (0, "", "")


def test_the_example_configuration_is_right_and_stays_within_the_units_folders() -> None:
    config = FOLDER / "config.ini"
    said = sitebind("check-config", "--config", config)
    assert said.code == 0, said
    assert "0 errors, 0 warnings" in said.out
    text = config.read_text(encoding="utf-8")
    assert "\ndatabase = /var/lib/sitebind/" in text
    assert "\nsocket = /run/sitebind/" in text


def test_the_drop_in_for_newer_systemd_replaces_the_signal_by_the_type() -> None:
    """Its messages are tested in test_service_manager.py; systemd 252 does not know the type, so it is not run here."""
    assert settings(RELOAD_DROP_IN) == {"Type": ["notify-reload"], "ReloadSignal": ["SIGHUP"], "ExecReload": [""]}


@pytest.mark.parts
@pytest.mark.root
def test_the_user_of_the_unit_is_made_by_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", FOLDER / "sitebind.sysusers.conf"], check=True)
    user = (tmp_path / "etc" / "passwd").read_text().split(":")
    assert [user[0]] == settings(UNIT)["User"] == settings(UNIT)["Group"]
    assert user[5:] == ["/var/lib/sitebind", "/usr/sbin/nologin\n"]
