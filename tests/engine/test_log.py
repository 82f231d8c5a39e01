"""Log lines as a person and as a machine read them, and the observers behind one seam."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from daemon.engine.log import LogObserver, Narrator, Observers, configure_logging
from daemon.engine.tasks import Tasks
from daemon.ports import ChainReport
from states import BindStep, Fault, Impact, Lifecycle, Snapshot, State, Terms, first_snapshot
from states.events import BindFailed, BindRequested, ConfigAccepted, ConfigRejected, Event, KeysRevoked

AT = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = Terms(fingerprint="f", credentials="c", automatic=True)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is written; the root logger is put back afterwards."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


def seen(*events: Event) -> Snapshot:
    now, lifecycle, observer = first_snapshot("prod", site_code="x", at=AT), Lifecycle(), LogObserver()
    for event in events:
        step = lifecycle.apply(now, event, at=AT, chance=0.5)
        observer.saw(step, at=AT)
        now = step.after
    return now


ACCEPTED = ConfigAccepted(terms=TERMS, impact=Impact.REBIND, reason="first configuration")
ASKED = BindRequested(actor="http:127.0.0.1", request_id="r-1", reason="asked for")
FAILED = BindFailed(attempt=1, fault=Fault.CREDENTIALS_REFUSED, detail="wrong password")


def test_a_text_line_says_when_how_grave_which_site_and_what(written: io.StringIO) -> None:
    """And in brackets the attempt, the actor and the request."""
    configure_logging(form="text", level="info", stream=written)
    seen(ACCEPTED, ASKED, FAILED)
    lines = written.getvalue().splitlines()
    assert lines[0].split(" ", 1)[1] == ("INFO prod: unconfigured -> configured: first configuration [actor=daemon]")
    assert lines[1].endswith(
        "INFO prod: configured -> binding: asked for [attempt=1 actor=http:127.0.0.1 request_id=r-1]"
    )
    assert "WARNING prod: binding -> failed: credentials-refused: wrong password" in lines[2]
    assert lines[0][:4].isdigit()
    assert lines[0].split(" ")[0].endswith("Z")


def test_a_json_line_is_one_object_with_the_same(written: io.StringIO) -> None:
    """Fields by name, one line each, whatever the text holds."""
    configure_logging(form="json", level="info", stream=written)
    seen(ACCEPTED, ASKED)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert lines[1] | {"at": ""} == {
        "at": "",
        "level": "info",
        "logger": "sitebind.engine",
        "message": "configured -> binding: asked for",
        "site": "prod",
        "attempt": 1,
        "actor": "http:127.0.0.1",
        "request_id": "r-1",
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_service_says_cannot_forge_a_line_or_command_a_terminal(written: io.StringIO, form: str) -> None:
    """Line feeds, escape sequences and their like are written as what they are called."""
    configure_logging(form=form, level="info", stream=written)  # type: ignore[arg-type]
    said = "wrong\n2026-01-01 INFO prod: bound\r\x1b[2J\u2028over"
    seen(ACCEPTED, ASKED, BindFailed(attempt=1, fault=Fault.SERVICE_ERROR, detail=said))
    assert len(written.getvalue().split("\n")) == 4
    if form == "text":
        assert "\x1b" not in written.getvalue()
        assert "\u2028" not in written.getvalue()
        assert "\\x1b[2J" in written.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_is_part_of_the_record(written: io.StringIO, form: str) -> None:
    """Below the line, or as a field."""
    configure_logging(form=form, level="info", stream=written)  # type: ignore[arg-type]
    try:
        raise ZeroDivisionError("told")
    except ZeroDivisionError:
        logging.getLogger("sitebind.test").exception("something broke")
    text = json.loads(written.getvalue())["traceback"] if form == "json" else written.getvalue()
    assert "ZeroDivisionError: told" in text


def test_configuring_again_replaces_what_was_set(written: io.StringIO) -> None:
    """A reload of log_format leaves one handler of ours."""
    configure_logging(form="text", level="info", stream=written)
    configure_logging(form="json", level="warning", stream=written)
    seen(ACCEPTED)
    assert written.getvalue() == ""
    logging.getLogger("sitebind.test").warning("once")
    assert len(written.getvalue().splitlines()) == 1


def test_each_kind_of_step_has_its_weight(caplog: pytest.LogCaptureFixture) -> None:
    """Refusals and findings are warnings, late events information, routine checks debugging."""
    caplog.set_level(logging.DEBUG)
    seen(
        BindRequested(actor="http", reason="too early"),
        KeysRevoked(bind_id="nobody"),
        ACCEPTED,
        ConfigRejected(findings=("a.ini:1: wrong",)),
    )
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told[0][0] == "WARNING"
    assert "refused" in told[0][1]
    assert told[1][0] == "INFO"
    assert told[1][1].startswith("ignored")
    assert told[3] == ("WARNING", "configuration rejected: a.ini:1: wrong")


def test_the_rest_of_what_an_observer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A step that did not pass has its remedy, a broken journal and a broken chain are errors."""
    caplog.set_level(logging.DEBUG)
    observer = LogObserver()
    observer.bind_step("prod", BindStep(step="connect", status="failed", seconds=1.5, detail="no route", remedy="Dig."))
    observer.bind_step("prod", BindStep(step="discover", status="passed", seconds=0.1, detail="well"))
    observer.upstream("login", code="200", seconds=0.25)
    observer.reloaded(successful=False, at=AT)
    observer.reloaded(successful=True, at=AT)
    observer.journal_failed()
    whole = ChainReport(intact=True, records=1, first=1, last=1, head="")
    observer.chain_verified(whole)
    broken = ChainReport(intact=False, records=9, first=1, last=9, head="", broken_at=5, reason="the hash differs")
    observer.chain_verified(broken)
    observer.chain_verified(ChainReport(intact=False, records=0, first=0, last=0, head="", reason="cut"))
    observer.bind_ended("prod", bind_id="prod-1", result="failed", fault=None, seconds=0.0)
    observer.recorded(1)
    observer.http_request(method="GET", route="/", status=200, seconds=0.1)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told[0] == ("WARNING", "bind step connect failed after 1.500 s: no route. What to do: Dig.")
    assert [level for level, _ in told] == ["WARNING", "DEBUG", "DEBUG", "WARNING", "ERROR", "ERROR", "ERROR"]
    assert "record 5" in told[5][1]
    assert "the database" in told[6][1]


class _Broken(LogObserver):
    def saw(self, step: object, *, at: datetime) -> None:
        raise RuntimeError("a broken observer")

    def recorded(self, count: int) -> None:
        raise RuntimeError("a broken observer")


def test_a_broken_observer_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its name, and the next one is told."""
    caplog.set_level(logging.INFO)
    observers = Observers(_Broken(), LogObserver())
    step = Lifecycle().apply(first_snapshot("prod", site_code="x", at=AT), ACCEPTED, at=AT, chance=0.5)
    observers.saw(step, at=AT)
    observers.recorded(3)
    observers.bind_step("prod", BindStep(step="connect", status="passed", seconds=0.1, detail=""))
    observers.bind_ended("prod", bind_id="prod-1", result="failed", fault=None, seconds=0.1)
    observers.upstream("login", code="200", seconds=0.1)
    observers.reloaded(successful=False, at=AT)
    observers.journal_failed()
    observers.chain_verified(ChainReport(intact=True, records=1, first=1, last=1, head=""))
    observers.http_request(method="GET", route="/", status=200, seconds=0.1)
    text = caplog.text
    assert "_Broken failed in saw" in text
    assert "unconfigured -> configured" in text
    assert "the journal cannot be written" in text


def test_a_narrator_tells_transitions_and_nothing_else() -> None:
    """For a person who watches a demo."""
    told: list[str] = []
    narrator = Narrator(told.append)
    now, lifecycle = first_snapshot("prod", site_code="x", at=AT), Lifecycle()
    for event in (ACCEPTED, KeysRevoked(bind_id="nobody"), ASKED):
        step = lifecycle.apply(now, event, at=AT, chance=0.5)
        narrator(step)
        now = step.after
    assert told == ["prod unconfigured -> configured (first configuration)", "prod configured -> binding (asked for)"]
    assert now.state is State.BINDING


async def test_a_task_that_fails_is_logged_and_told_to_its_owner(caplog: pytest.LogCaptureFixture) -> None:
    """With its name and traceback; the others go on."""
    tasks, told, go = Tasks(), [], asyncio.Event()

    async def fails() -> None:
        raise RuntimeError("boom")

    async def waits() -> None:
        await go.wait()

    tasks.start(fails(), name="the failing one", failed=told.append)
    tasks.start(fails(), name="the unowned one")
    tasks.start(waits(), name="the waiting one")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(tasks) == 1
    assert [str(error) for error in told] == ["boom"]
    assert "task the failing one ended with an unexpected error" in caplog.text
    go.set()
    await tasks.settle()
    assert len(tasks) == 0


async def test_closing_tasks_cancels_them_and_names_those_that_will_not_end() -> None:
    """Bounded, whatever they do."""
    tasks, go = Tasks(), asyncio.Event()

    async def stubborn() -> None:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    async def polite() -> None:
        await asyncio.Event().wait()

    stubborn_one = tasks.start(stubborn(), name="the stubborn one")
    tasks.start(polite(), name="the polite one")
    await asyncio.sleep(0)
    assert await tasks.close(seconds=0.05) == ("the stubborn one",)
    go.set()
    await stubborn_one
    assert await tasks.close(seconds=0.05) == ()
