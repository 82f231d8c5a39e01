"""`sitebind check-config`: every finding, the count, the exit code; secrets only when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., Any]

GOOD = """\
[account]
smtp_address = engine@example.com
[binding]
email = sync@example.com
password = file:password
application_id = 00000000-0000-0000-0000-000000000000
application_key = env:APPLICATION_KEY_OF_THE_TEST
require = none
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return written(tmp_path / "config.ini", GOOD)


def test_a_good_file_ends_with_zero(good: Path, sitebind: Ask) -> None:
    said = sitebind("check-config", "--config", good)
    assert said.code == 0
    assert said.out == f"{good}: 0 errors, 0 warnings; 1 site\n"


def test_all_findings_are_printed_at_once_with_file_and_line(tmp_path: Path, sitebind: Ask) -> None:
    config = written(tmp_path / "config.ini", f"{GOOD}[connection]\nproxy_prot = 1\nuse_proxy = perhaps\n")
    said = sitebind("check-config", "--config", config)
    assert said.code == 2
    assert 'config.ini:10: [connection] proxy_prot: unknown option; did you mean "proxy_port"?' in said.out
    assert "config.ini:11: [connection] use_proxy" in said.out
    assert said.out.splitlines()[-1].startswith(f"{config}: 2 errors, 0 warnings")


def test_warnings_alone_do_not_fail(tmp_path: Path, sitebind: Ask) -> None:
    config = written(tmp_path / "config.ini", GOOD.replace("file:password", "Plain-Text"))
    said = sitebind("check-config", "--config", config)
    assert said.code == 0
    assert said.out.startswith("warning: ")
    assert "0 errors, 1 warning;" in said.out
    assert "Plain-Text" not in said.out


def test_secrets_are_looked_for_only_when_asked(good: Path, sitebind: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sitebind("check-config", "--config", good).code == 0
    said = sitebind("check-config", "--secrets", "--config", good)
    assert said.code == 5
    assert f"secret: {good}: [binding] password" in said.out
    assert f"secret: {good}: [binding] application_key" in said.out
    assert "2 secrets not readable" in said.out
    written(good.with_name("password"), "s3cret-of-the-test\n")
    monkeypatch.setenv("APPLICATION_KEY_OF_THE_TEST", "k3y-of-the-test")
    said = sitebind("check-config", "--secrets", "--config", good)
    assert said.code == 0
    assert "of-the-test" not in said.out


def test_the_daemons_own_secrets_count_too(good: Path, sitebind: Ask) -> None:
    written(good, f"{GOOD}[daemon]\napi_token = file:token\n")
    assert "secret: [daemon] api_token" in sitebind("check-config", "--secrets", "--config", good).out


def test_json_holds_every_finding_with_its_place(tmp_path: Path, sitebind: Ask) -> None:
    config = written(tmp_path / "config.ini", f"{GOOD}[connection]\nproxy_prot = 1\n")
    said = sitebind("check-config", "--json", "--secrets", "--config", config)
    document = json.loads(said.out)
    assert (said.code, document["ok"], document["sites"]) == (2, False, ["default"])
    (finding,) = document["findings"]
    assert (finding["line"], finding["section"], finding["option"], finding["severity"]) == (
        10, "connection", "proxy_prot", "error",
    )  # fmt: skip
    assert finding["said"].startswith(str(finding["file"]))


def test_a_folder_is_checked_as_a_whole(tmp_path: Path, sitebind: Ask) -> None:
    written(tmp_path / "daemon.ini", "[daemon]\nlog_level = info\n")
    written(tmp_path / "north.ini", GOOD)
    written(tmp_path / "south.ini", f"{GOOD}[bindng]\n")
    said = sitebind("check-config", "--config", tmp_path)
    assert said.code == 2
    assert "south.ini:9:" in said.out
    assert said.out.splitlines()[-1].endswith("1 error, 0 warnings; 2 sites")


def test_what_is_not_there_is_wrong_usage(tmp_path: Path, sitebind: Ask) -> None:
    assert sitebind("check-config", "--config", tmp_path / "gone.ini").code == 2
