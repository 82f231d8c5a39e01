"""`[daemon] traces`: what an address of a collector may be, and that the extra is asked for where it is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from daemon.config import addresses
from daemon.config.ini import read_config
from daemon.config.prerequisites import traces_can_be_sent
from daemon.config.problems import BadValue
from tests.running import write


@pytest.mark.parametrize(
    "text, address",
    [
        ("http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/traces"),
        ("https://Collector.example.com/v1/traces", "https://collector.example.com/v1/traces"),
        ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
    ],
)
def test_an_address_is_a_url_with_a_path(text: str, address: str) -> None:
    assert addresses.collector(text) == address


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("127.0.0.1:4318", "begins with neither"),
        ("grpc://host:4317/v1/traces", "begins with neither"),
        ("http://", "begins with neither"),
        ("http://host:4318", "names no path"),
        ("http://user:password@host/v1/traces", "is more than"),
        ("http://host/v1/traces?key=1", "is more than"),
        ("http://[::1/v1/traces", "is not a URL"),
    ],
)
def test_what_is_none_is_said(text: str, wrong: str) -> None:
    with pytest.raises(BadValue, match=wrong) as refused:
        addresses.collector(text)
    assert "password" not in str(refused.value)


def configured(folder: Path, traces: str) -> list[str]:
    path = write(folder / "config.ini", {"daemon": {"traces": traces}})
    return [str(problem) for problem in read_config(path).problems if "traces" in str(problem)]


@pytest.mark.parametrize("parts", ["none of it", "the API alone"])
def test_the_missing_extra_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: str) -> None:
    """Other programs bring the API of OpenTelemetry, which is not enough."""

    def absent(name: str) -> None:
        if parts == "none of it":
            raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    assert not traces_can_be_sent()
    (problem,) = configured(tmp_path, "http://127.0.0.1:4318/v1/traces")
    assert 'pip install "sitebind[opentelemetry]"' in problem


def test_with_the_extra_there_is_nothing_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: importlib.util.spec_from_loader("it", loader=None))
    assert configured(tmp_path, "http://127.0.0.1:4318/v1/traces") == []
    assert configured(tmp_path, "") == []
