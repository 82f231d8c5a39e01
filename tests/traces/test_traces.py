"""Bind attempts as traces: a real daemon, and a collector that decodes what it is told."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import daemon
from daemon.sandbox import small_world
from daemon.sandbox.world import DEMO_APPLICATION_KEY, DEMO_EMAIL, DEMO_PASSWORD
from states import BIND_STEPS
from tests.acceptance.installation import Installation
from tests.acceptance.processes import REPOSITORY, Program, a_free_port, environment, until
from tests.acceptance.simulated import Simulated
from tests.traces.collector import Collector, Told

pytestmark = pytest.mark.slow


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    for name in ("mimecast", "site"):
        (tmp_path / name).mkdir()
    with Simulated(tmp_path / "mimecast", small_world()) as simulated:
        yield Installation(tmp_path / "site", simulated, a_free_port())


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def trace_of(collector: Collector, bind: str) -> tuple[Told, list[Told]]:
    """The root and its children, once the collector has them."""
    root, *children = until(lambda: collector.whole(bind), f"the trace of {bind}")
    return root, children


def test_a_bind_is_one_trace_with_a_child_for_each_step(installation: Installation, collector: Collector) -> None:
    """The steps that the report has, in its order, with its seconds; and what the whole came to."""
    installation.save(daemon={"traces": collector.url})
    with installation.start() as program:
        installation.api.reach("bound")
        report = installation.api.rebind()
        root, children = trace_of(collector, report["id"])
        assert program.stop() == 0
    assert (root.name, root.parent, root.status) == ("bind", b"", "ok")
    assert root.attributes == {
        "sitebind.site": "default", "sitebind.bind.id": report["id"], "sitebind.bind.attempt": report["attempt"],
        "sitebind.bind.trigger": "bind_requested", "sitebind.bind.one_time": False, "sitebind.actor": "http",
        "sitebind.bind.result": "succeeded",
    }  # fmt: skip
    assert {root.service[name] for name in ("service.name", "service.version")} == {"sitebind", daemon.__version__}
    seen = [(child.name, child.attributes["sitebind.step.status"]) for child in children]
    assert seen == [(step["step"], step["status"]) for step in report["steps"]]
    assert {name for name, _ in seen} == set(BIND_STEPS)
    assert {child.parent for child in children} == {root.id}
    for child, step in zip(children, report["steps"], strict=True):
        assert (child.ended - child.began) / 1e9 == pytest.approx(step["seconds"], abs=0.001)
        assert child.ended <= root.ended


def test_traces_and_signed_checkpoints_go_together(installation: Installation, collector: Collector) -> None:
    """Whoever listens for one thing hears of all others, too."""
    key, checkpoints = installation.folder.parent / "checkpoint.pem", installation.folder.parent / "checkpoints.jsonl"
    assert installation.sitebind("audit", "key", "--new", key).code == 0
    more = {"checkpoint_file": str(checkpoints), "checkpoint_key": f"file:{key}"}
    installation.save(daemon={"traces": collector.url, **more})
    with installation.start() as program:
        until(lambda: checkpoints.exists() and checkpoints.read_text(), "the first checkpoint")
        installation.api.reach("bound")
        trace_of(collector, installation.api.binds()[0]["id"])
        assert program.stop() == 0
        assert "Traceback" not in program.err
        assert "failed in" not in program.err


def test_a_failed_bind_names_its_fault_and_its_step(installation: Installation, collector: Collector) -> None:
    installation.simulated.trouble("wrong-password")
    installation.save(daemon={"traces": collector.url})
    with installation.start():
        installation.api.reach("failed")
        root, children = trace_of(collector, installation.api.binds()[0]["id"])
    assert (root.status, root.attributes["sitebind.bind.result"]) == ("error", "failed")
    assert root.attributes["sitebind.fault"] == "credentials-refused"
    assert root.attributes["sitebind.actor"] == "daemon"
    assert [child.name for child in children if child.status == "error"] == ["authenticate"]


def test_the_last_bind_is_told_at_a_stop_and_holds_no_word_of_anybody(
    installation: Installation, collector: Collector
) -> None:
    """What the library would send a second later is not lost; ids, numbers and closed sets are all that is sent."""
    installation.save(daemon={"traces": collector.url})
    with installation.start() as program:
        installation.api.reach("bound")
        answer = installation.api.ask("POST", "/rebind?wait=40", {"reason": "because of Mr. Canary"})
        assert program.stop() == 0
    assert collector.whole(answer.json["id"])
    everything = b"".join(collector.bodies)
    for word in (DEMO_PASSWORD, DEMO_APPLICATION_KEY, DEMO_EMAIL, "Canary"):
        assert word.encode() not in everything


def test_a_collector_that_is_away_is_one_line_and_disturbs_nothing(installation: Installation) -> None:
    """One that comes back is told so too; the line is written once, however often it was asked."""
    port = a_free_port()
    installation.save(daemon={"traces": f"http://127.0.0.1:{port}/v1/traces"})
    with installation.start() as program:
        installation.api.reach("bound")
        program.line("takes none; until it does they are lost")
        assert installation.api.rebind()["state"] == "succeeded"
        assert installation.api.rebind()["state"] == "succeeded"
        assert program.stop() == 0
    lines = [line for line in program.err.splitlines() if "WARNING" in line or "ERROR" in line]
    assert len([line for line in lines if "takes none" in line]) == 1
    assert "Traceback" not in program.err
    assert "opentelemetry" not in program.err


def test_a_silent_collector_does_not_hold_a_stop_up(installation: Installation, collector: Collector) -> None:
    collector.is_silent = True
    installation.save(daemon={"traces": collector.url})
    with installation.start() as program:
        installation.api.reach("bound")
        assert program.stop() == 0
    assert "did not take the last ones within 2 s" in program.err


def test_without_the_option_nothing_of_the_extra_is_imported(installation: Installation) -> None:
    """It costs nothing: Python itself tells what it imports, from the start to the end of a bind."""
    command = [sys.executable, "-X", "importtime", "-m", "daemon", "run", "--config", installation.config]
    with Program(command, cwd=installation.folder, env={"PYTHONPATH": str(REPOSITORY)}) as program:
        program.line(rf"listening on {installation.api.url}")
        installation.api.reach("bound")
        assert program.stop() == 0
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", program.err, re.MULTILINE))
    assert "daemon.telemetry" in imported
    assert not {name for name in imported if name.split(".")[0] in {"opentelemetry", "requests", "google"}}
    assert "daemon.tracing" not in imported


WITHOUT = """
import sys
sys.modules["opentelemetry.exporter"] = None
from daemon.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["run", "check-config"])
def test_without_the_extra_the_option_is_told_in_words(installation: Installation, command: str) -> None:
    installation.save(daemon={"traces": "http://127.0.0.1:4318/v1/traces"})
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT, command, "--config", str(installation.config)],
        cwd=installation.folder, env=environment({"PYTHONPATH": str(REPOSITORY)}), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == (2 if command == "run" else 0)
    assert 'pip install "sitebind[opentelemetry]"' in said.stdout + said.stderr
