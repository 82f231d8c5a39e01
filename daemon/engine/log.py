"""Structured log lines, as text for a person or as JSON for a machine, and the observer that writes them.

Every line that concerns a site carries site, attempt and request id where they are known.
"""

from __future__ import annotations

import codecs
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from daemon.config.model import LogFormat, LogLevel
from daemon.engine.log_tail import KeepingHandler
from daemon.ports import ChainReport, Observer, Upkeep
from states import BindStep, Fault, Ignored, Moved, Refused, Step
from states.events import BindingVerified

_log = logging.getLogger("sitebind.engine")

# Looked up now: its module cannot be loaded any more when there is no descriptor left, which is to be logged too.
_ESCAPED = codecs.getencoder("unicode_escape")

_FIELDS = ("site", "attempt", "bind", "actor", "request_id")


def configure_logging(*, form: LogFormat, level: LogLevel, stream: TextIO | None = None) -> None:
    """Send all log lines to `stream` (standard error) in the given form; replaces what was set before.

    The newest are kept too, see `daemon.engine.log_tail`.
    """
    handler = KeepingHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    for old in tuple(root.handlers):
        if getattr(old, "made_by_sitebind", False):
            root.removeHandler(old)
    handler.made_by_sitebind = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(level.upper())
    # They narrate every call, at the price of more than the call.
    for chatty in ("aiosqlite", "transitions", "asyncio", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _context(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name in _FIELDS if (value := getattr(record, name, None)) is not None}


def _at(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextLines(logging.Formatter):
    """`2026-01-01T00:00:00.000Z INFO default: configured -> binding: first configuration [attempt=1]`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback below it where there is one."""
        context = _context(record)
        site = context.pop("site", "")
        about = f"{site}: " if site else ""
        rest = " ".join(f"{name}={value}" for name, value in context.items())
        line = f"{_at(record)} {record.levelname} {about}{_one_line(record.getMessage())}"
        if rest:
            line += f" [{rest}]"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message, the context's fields, and the traceback as text."""
        line: dict[str, Any] = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_context(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _one_line(text: str) -> str:
    """What a service said must not be able to forge a line of its own, nor to command a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _ESCAPED(char)[0].decode() for char in text)


class LogObserver:
    """Implements `daemon.ports.Observer` by writing log lines."""

    def saw(self, step: Step, *, at: datetime) -> None:
        """A transition is information, a failure a warning; a verification, or what changes nothing, debugging."""
        level, message = _line(step)
        if not _log.isEnabledFor(level):
            return
        opened = step.after.open or step.before.open
        context = {
            "site": step.before.site,
            "attempt": opened.attempt if opened else None,
            "actor": step.event.actor,
            "request_id": step.event.request_id,
        }
        _log.log(level, message, extra=context)

    def bind_step(self, site: str, step: BindStep) -> None:
        """A step that did not pass is told at once."""
        level = {"failed": logging.WARNING, "warning": logging.WARNING}.get(step.status, logging.DEBUG)
        remedy = f" What to do: {step.remedy}" if step.remedy else ""
        message = f"bind step {step.step} {step.status} after {step.seconds:.3f} s: {step.detail}.{remedy}"
        _log.log(level, message, extra={"site": site})

    def bind_ended(self, site: str, *, bind_id: str, result: str, fault: Fault | None, seconds: float | None) -> None:
        """Told by the transition that follows."""

    def upstream(self, endpoint: str, *, code: str, seconds: float) -> None:
        """Every call to the service, for whoever debugs."""
        _log.debug("called %s: %s after %.3f s", endpoint, code, seconds)

    def reloaded(self, *, successful: bool, at: datetime) -> None:
        """Each finding is told by the step of its site."""
        if not successful:
            _log.warning("a reload did not apply everything; where it did not, the last good settings stay in force")

    def recorded(self, count: int) -> None:
        """The journal's own business."""

    def journal_failed(self) -> None:
        """Requests are refused until it can be written again."""
        _log.error("the journal cannot be written: requests are refused and results wait until it can")

    def chain_verified(self, report: ChainReport) -> None:
        """A broken chain is an incident."""
        if not report.intact:
            where = f"record {report.broken_at}" if report.broken_at is not None else "the database"
            _log.error(
                "the audit chain is broken at %s: %s. Keep the database file as evidence and restore from a backup",
                where,
                report.reason,
            )

    def checkpointed(self, at: datetime | None) -> None:
        """Told where one cannot be written, by who wants to."""

    def upkeep_failed(self, task: Upkeep) -> None:
        """Told once for each reason, by the task."""

    def http_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """The web layer writes its own line."""

    def event_streams(self, *, clients: int, dropped: int = 0) -> None:
        """The web layer writes its own line."""

    def forwarded(self, *, position: int | None, waiting: int, failures: int = 0) -> None:
        """The forwarder writes its own lines, when it begins to fail and when it goes on."""


def _line(step: Step) -> tuple[int, str]:
    before, after, event = step.before, step.after, step.event
    match step:
        case Refused(reason=reason):
            return logging.WARNING, f"{event.trigger} refused: {reason}"
        case Ignored(reason=reason):
            return logging.INFO, f"ignored: {reason}"
        case Moved() if before.state is not after.state:
            level = logging.WARNING if after.state.value in ("failed", "unconfigured") else logging.INFO
            return level, f"{before.state.value} -> {after.state.value}: {after.reason}"
        case _ if after.findings and after.findings != before.findings:
            return logging.WARNING, f"configuration rejected: {' | '.join(after.findings)}"
        case _:
            # Who joins an open bind changes nothing and stands in the audit trail; a line costs more than the rest.
            quiet = isinstance(event, BindingVerified) or after is before
            level = logging.DEBUG if quiet else logging.INFO
            return level, f"{event.trigger.replace('_', ' ')} ({after.state.value})"


class Observers:
    """Tells several observers; a defect in one is logged and does not stop the others or the engine."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def _each(self, name: str, *args: object, **named: object) -> None:
        for observer in self._observers:
            try:
                getattr(observer, name)(*args, **named)
            except Exception:  # noqa: BLE001 - logged; an observer must not stop the engine
                _log.exception("observer %s failed in %s", type(observer).__name__, name)

    def saw(self, step: Step, *, at: datetime) -> None:
        """Pass on."""
        self._each("saw", step, at=at)

    def bind_step(self, site: str, step: BindStep) -> None:
        """Pass on."""
        self._each("bind_step", site, step)

    def bind_ended(self, site: str, *, bind_id: str, result: str, fault: Fault | None, seconds: float | None) -> None:
        """Pass on."""
        self._each("bind_ended", site, bind_id=bind_id, result=result, fault=fault, seconds=seconds)

    def upstream(self, endpoint: str, *, code: str, seconds: float) -> None:
        """Pass on."""
        self._each("upstream", endpoint, code=code, seconds=seconds)

    def reloaded(self, *, successful: bool, at: datetime) -> None:
        """Pass on."""
        self._each("reloaded", successful=successful, at=at)

    def recorded(self, count: int) -> None:
        """Pass on."""
        self._each("recorded", count)

    def journal_failed(self) -> None:
        """Pass on."""
        self._each("journal_failed")

    def chain_verified(self, report: ChainReport) -> None:
        """Pass on."""
        self._each("chain_verified", report)

    def checkpointed(self, at: datetime | None) -> None:
        """Pass on."""
        self._each("checkpointed", at)

    def upkeep_failed(self, task: Upkeep) -> None:
        """Pass on."""
        self._each("upkeep_failed", task)

    def http_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Pass on."""
        self._each("http_request", method=method, route=route, status=status, seconds=seconds)

    def event_streams(self, *, clients: int, dropped: int = 0) -> None:
        """Pass on."""
        self._each("event_streams", clients=clients, dropped=dropped)

    def forwarded(self, *, position: int | None, waiting: int, failures: int = 0) -> None:
        """Pass on."""
        self._each("forwarded", position=position, waiting=waiting, failures=failures)


class Narrator:
    """Tells each transition in a line, for a person who watches."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def __call__(self, step: Step) -> None:
        if isinstance(step, Moved) and step.before.state is not step.after.state:
            before, after = step.before, step.after
            self._tell(f"{after.site} {before.state.value} -> {after.state.value} ({after.reason})")
