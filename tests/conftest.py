"""What holds for every test: a scrubbed environment, and examples that are the same on every run."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest
from aiohttp import web_app

# Everything else is taken away: no proxy, token or setting of this machine may decide a test.
KEPT = {"PATH", "TMPDIR", "VIRTUAL_ENV"}
KEPT_PREFIXES = ("COVERAGE_", "COV_CORE_", "PYTEST_")

# 200 examples a property, and the same ones each time: a red run can be repeated by anybody.
hypothesis.settings.register_profile("suite", max_examples=200, derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def scrubbed_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give tests, and the processes they start, an empty home and nothing of the caller's environment."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name not in KEPT and not name.startswith(KEPT_PREFIXES):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("LANG", "C.UTF-8")
        patch.setenv("TZ", "UTC")
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_reaches_children() -> Iterator[None]:
    """A shell starts what runs in its background with SIGINT ignored, and so would every program under test be."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def daemons_are_forgotten() -> Iterator[None]:
    """The last 1,024 handlers are kept by aiohttp, which wraps them, and each keeps the whole daemon of its test."""
    yield
    web_app._cached_build_middleware.cache_clear()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo the level that a daemon sets for the whole process: the tests after it may look at the log."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only root can do where we are not root; pytest counts it as deselected."""
    if os.geteuid() == 0:
        return
    impossible = [item for item in items if item.get_closest_marker("root")]
    if impossible:
        config.hook.pytest_deselected(items=impossible)
        items[:] = [item for item in items if item not in impossible]
