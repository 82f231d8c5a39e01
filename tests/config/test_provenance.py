"""Where options come from: which values are told, and in which words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from daemon.config.provenance import OptionOrigin, provenance


def told(path: Path) -> dict[tuple[str, str], OptionOrigin]:
    return {(one.section, one.option): one for file in provenance(path) for one in file.options}


def test_values_of_closed_kinds_are_told_as_they_are_meant(tmp_path: Path) -> None:
    """Never as they were typed."""
    file = tmp_path / "config.ini"
    file.write_text(
        "[daemon]\nlog_format = json\nsocket_mode = 600\npace = 7\nvault_key = file:/k\n\n"
        "[binding]\nverify_every = 900s\nautomatic = TRUE\nrequire = mailbox\n\n[connection]\nproxy_port = 8080\n"
        "proxy_host = proxy.test\n"
    )
    options = told(file)
    values = {key[1]: one.value for key, one in options.items() if one.given}
    assert values == {
        "log_format": "json", "socket_mode": "0600", "pace": "7", "vault_key": None, "verify_every": "15m",
        "automatic": "yes", "require": "mailbox", "proxy_port": "8080", "proxy_host": None,
    }  # fmt: skip
    assert (options["daemon", "vault_key"].secret, options["daemon", "vault_key"].line) == ("file", 5)
    assert not options["binding", "password"].given


def test_a_folder_is_told_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "daemon.ini").write_text("[daemon]\npace = 3\n")
    (tmp_path / "site.ini").write_text("[binding]\nautomatic = no\n[daemon]\npace = 4\n")
    (tmp_path / "torn.ini").write_bytes(b"\xff\xfe")
    (tmp_path / "old.ini.bak").write_text("")
    one, site, torn = provenance(tmp_path)
    assert [Path(file.file).name for file in (one, site, torn)] == ["daemon.ini", "site.ini", "torn.ini"]
    assert (site.unknown, torn.unreadable, torn.options) == (1, "the file is not UTF-8", ())
    assert {option.section for option in one.options} == {"daemon"}
    assert "daemon" not in {option.section for option in site.options}


def test_who_may_read_a_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.ini"
    file.write_text("")
    file.chmod(0o644)
    assert provenance(file)[0].exposed


def test_a_folder_that_cannot_be_listed_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's refusal is arranged: for root, as whom these tests may run, there is none to be had."""

    def refused(_folder: Path) -> list[Path]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("daemon.config.provenance.files_of", refused)
    (found,) = provenance(tmp_path)
    assert (found.file, found.unreadable, found.options) == (str(tmp_path), "permission denied", ())
