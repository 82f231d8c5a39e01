"""`sitebind diagnostics`: what is in the archive, what is not, and that it says so."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import JournalEntry
from daemon.store.journal import SqliteJournal
from tests.cli.shapes import a_bind, a_site, a_step

Ask = Callable[..., Any]
SECRET = "Tr0ub4dor&3-hunter2"


def parts_of(archive: Path) -> dict[str, str]:
    """Every file by its name inside the folder."""
    found: dict[str, str] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            assert (member.mode, member.isreg()) == (0o600, True)
            found[member.name.removeprefix("sitebind-diagnostics/")] = content.read().decode()
    return found


def left_out(parts: dict[str, str]) -> dict[str, str]:
    return {one["file"]: one["why"] for one in json.loads(parts["manifest.json"])["left_out"]}


def answer_all(api: Any, *sites: Any) -> None:
    well = {"status": "pass", "checks": []}
    api.on("GET /api/v1/sites", {"sites": list(sites)})
    api.on("GET /-/healthy", well)
    api.on("GET /-/ready", {"status": "fail", "checks": []}, status=503)
    api.on("GET /api/v1/audit", {"records": [], "next": 0})
    api.on("GET /api/v1/audit/chain", {"intact": True})
    api.on("GET /metrics", "sitebind_up 1\n")
    api.on("GET /api/v1/logs", {"lines": ["first", "second"]})
    for site in sites:
        api.on(f"GET /api/v1/sites/{site['id']}", site)
        api.on(f"GET /api/v1/sites/{site['id']}/binds", {"binds": [a_bind()]})
        api.on(f"POST /api/v1/sites/{site['id']}/doctor", {"layers": [a_step("dns")]})


async def test_the_archive_holds_what_the_daemon_tells_and_a_manifest(api: Any, ask: Ask, tmp_path: Path) -> None:
    answer_all(api, a_site())
    target = tmp_path / "case.tar.gz"
    said = await ask("diagnostics", "--url", api.url, "--output", target)
    assert (said.code, f"10 parts written to {target}" in said.out) == (0, True)
    assert "Look through it before you send it" in said.out
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    parts = parts_of(target)
    assert list(parts) == [
        "versions.json", "sites.json", "health/healthy.json", "health/ready.json", "audit.json", "chain.json",
        "metrics.txt", "binds/default.json", "doctor/default.json", "log.txt", "manifest.json",
    ]  # fmt: skip
    assert (parts["log.txt"], parts["metrics.txt"]) == ("first\nsecond\n", "sitebind_up 1\n")
    assert json.loads(parts["doctor/default.json"])["layers"][0]["step"] == "dns"
    assert json.loads(parts["versions.json"])["packages"]["aiohttp"]
    manifest = json.loads(parts["manifest.json"])
    assert [one["file"] for one in manifest["parts"]] == list(parts)[:-1]
    assert [one["bytes"] for one in manifest["parts"]] == [len(parts[name].encode()) for name in list(parts)[:-1]]
    assert "E-mail addresses, host names" in manifest["kept"]
    assert left_out(parts) == {"configuration.json": "--url was given without --config"}


async def test_what_is_refused_is_left_out_and_the_rest_is_there(api: Any, ask: Ask, tmp_path: Path) -> None:
    """A caller who may read but not administer gets an archive without the log, and is told."""
    answer_all(api, a_site())
    problem = {"title": "Forbidden", "detail": "It needs the scope admin.", "code": "scope-missing"}
    del api.answers["GET /api/v1/logs"]
    api.on("GET /api/v1/logs", problem, status=403)
    target = tmp_path / "case.tar.gz"
    said = await ask("diagnostics", "--url", api.url, "--output", target, "--no-doctor")
    assert (said.code, "left out: log.txt: Forbidden: It needs the scope admin." in said.err) == (0, True)
    parts = parts_of(target)
    assert "log.txt" not in parts
    assert left_out(parts)["doctor/"] == "--no-doctor was given"
    assert [request.method for request in api.asked if request.method != "GET"] == []


async def test_one_site_is_asked_for_alone(api: Any, ask: Ask, tmp_path: Path) -> None:
    answer_all(api, a_site(id="one"), a_site(id="two"))
    target = tmp_path / "case.tar.gz"
    await ask("diagnostics", "--url", api.url, "--output", target, "--site", "two")
    parts = parts_of(target)
    assert json.loads(parts["sites.json"])["id"] == "two"
    assert {name for name in parts if name.startswith("doctor/")} == {"doctor/two.json"}
    (records,) = (request for request in api.asked if request.path == "/api/v1/audit")
    assert dict(records.query) == {"order": "desc", "limit": "200", "site": "two"}


async def test_of_many_sites_the_worst_are_in_it(api: Any, ask: Ask, tmp_path: Path) -> None:
    answer_all(api, *(a_site(id=f"s{number}") for number in range(25)), a_site(id="ill", state="failed"))
    target = tmp_path / "case.tar.gz"
    await ask("diagnostics", "--url", api.url, "--output", target)
    parts = parts_of(target)
    examined = [name for name in parts if name.startswith("doctor/")]
    assert (len(examined), examined[0]) == (20, "doctor/ill.json")
    assert "of 26 sites the 20 that are worst off" in left_out(parts)["binds/ and doctor/ of further sites"]


async def test_a_foreign_sites_name_leads_nowhere_else(api: Any, ask: Ask, tmp_path: Path) -> None:
    answer_all(api, a_site())
    api.answers["GET /api/v1/sites"] = []
    api.on("GET /api/v1/sites", {"sites": [a_site(id="../../etc/x")]})
    for route in ("GET /api/v1/sites/../../etc/x/binds", "POST /api/v1/sites/../../etc/x/doctor"):
        api.on(route, {})
    target = tmp_path / "case.tar.gz"
    await ask("diagnostics", "--url", api.url, "--output", target)
    assert "binds/..%2F..%2Fetc%2Fx.json" in parts_of(target)


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A daemon that does not run, with a record in its database."""
    journal = SqliteJournal(tmp_path / "sitebind.db")
    await journal.open()
    entry = {"site": "default", "actor": "cli", "event": "bind_requested", "before": "", "after": "", "detail": {}}
    await journal.append(JournalEntry(at=datetime(2026, 11, 23, tzinfo=UTC), **entry))  # type: ignore[arg-type]
    await journal.close()
    path = tmp_path / "config.ini"
    path.write_text(
        f"[daemon]\ndatabase = sitebind.db\nlisten = 127.0.0.1:1\n\n[binding]\nemail = ada@example.test\n"
        f"password = {SECRET}\nverify_every = {SECRET}\n\n[connection]\nuse_proxy = {SECRET}\n{SECRET} = 1\n"
        f"{SECRET}\n"
    )
    path.chmod(0o600)
    return path


def test_without_a_daemon_there_is_what_can_be_had(config: Path, sitebind: Ask) -> None:
    target = config.with_name("case.tar.gz")
    said = sitebind("diagnostics", "--config", config, "--output", target)
    assert (said.code, "left out: sites.json: no daemon answered" in said.err) == (0, True)
    parts = parts_of(target)
    assert list(parts) == ["versions.json", "configuration.json", "audit.json", "manifest.json"]
    (record,) = json.loads(parts["audit.json"])["records"]
    assert (record["event"], len(record["hash"])) == ("bind_requested", 64)
    assert "is not reachable" in json.loads(parts["manifest.json"])["daemon"]


def test_no_value_that_could_be_a_secret_is_in_the_archive(config: Path, sitebind: Ask) -> None:
    """Neither from its place, nor from an option of another kind, nor from a line that is none."""
    target = config.with_name("case.tar.gz")
    sitebind("diagnostics", "--config", config, "--output", target)
    parts = parts_of(target)
    assert [name for name, text in parts.items() if "hunter2" in text.lower()] == []
    configuration = json.loads(parts["configuration.json"])
    (file,) = configuration["files"]
    options = {(one["section"], one["option"]): one for one in file["options"]}
    assert (options["binding", "password"]["given"], options["binding", "password"]["secret"]) == (True, "plain")
    assert (options["binding", "verify_every"]["valid"], options["binding", "verify_every"]["value"]) == (False, None)
    assert options["binding", "email"]["value"] is None
    assert options["binding", "email"]["line"] == 6
    assert file["unknown"] == 1
    assert {(one["option"], one["severity"]) for one in configuration["findings"]} >= {
        ("verify_every", "error"),
        ("password", "warning"),
    }


def test_the_names_of_variables_are_told_and_not_their_values(
    config: Path, sitebind: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@proxy.test:1")
    target = config.with_name("case.tar.gz")
    sitebind("diagnostics", "--config", config, "--output", target)
    parts = parts_of(target)
    assert "HTTPS_PROXY" in json.loads(parts["versions.json"])["variables_set"]
    assert not any("hunter2" in text for text in parts.values())


def test_a_configuration_that_is_not_there_is_said(tmp_path: Path, sitebind: Ask) -> None:
    target = tmp_path / "case.tar.gz"
    said = sitebind("diagnostics", "--config", tmp_path / "gone.ini", "--output", target)
    assert said.code == 0
    parts = parts_of(target)
    assert json.loads(parts["configuration.json"])["files"][0]["unreadable"] == "there is no such file"
    assert "audit.json" in left_out(parts)


def test_without_a_name_the_file_is_named_by_the_time(
    config: Path, sitebind: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    assert sitebind("diagnostics", "--config", config).code == 0
    (made,) = config.parent.glob("sitebind-diagnostics-*Z.tar.gz")
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_a_full_disk_leaves_nothing_behind(config: Path, sitebind: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    target = config.with_name("case.tar.gz")
    said = sitebind("diagnostics", "--config", config, "--output", target)
    assert (said.code, f"{target} cannot be written: No space left on device" in said.err) == (5, True)
    assert list(config.parent.glob("*case.tar.gz*")) == []


async def test_a_daemon_that_was_named_and_does_not_answer_is_an_error(sitebind: Ask, tmp_path: Path) -> None:
    target = tmp_path / "case.tar.gz"
    said = sitebind("diagnostics", "--url", "http://127.0.0.1:1", "--output", target)
    assert (said.code, target.exists(), list(tmp_path.iterdir())) == (4, False, [])
