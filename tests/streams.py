"""A client of the event stream that reads it as the standard says, line by line, and believes nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.running import LONGEST

_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True)
class Event:
    """One event; `id` is None where it brought none."""

    name: str
    id: int | None
    data: Any


class Stream:
    """An open stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.comments: list[str] = []
        self.retry: int | None = None
        self._lines: list[bytes] = []
        self._rest = b""

    async def next(self) -> Event | None:
        """The next event; None at the end."""
        fields: dict[str, list[str]] = {}
        while (line := await self._line()) is not None:
            if not line:
                if "data" in fields:
                    return _event(fields)
                fields = {}
            elif line.startswith(":"):
                self.comments.append(line[1:].strip())
            else:
                name, _, value = line.partition(":")
                fields.setdefault(name, []).append(value.removeprefix(" "))
                if name == "retry":
                    self.retry = int(value)
        return None

    async def of(self, name: str, true: Callable[[Any], object] = lambda _: True) -> Any:
        """The data of the next event of that name for which it is true."""
        while (event := await self.next()) is not None:
            if event.name == name and true(event.data):
                return event.data
        raise AssertionError(f"the stream ended before {name}")

    async def until(self, true: Callable[[Event], object]) -> list[Event]:
        """All events until one for which it is true, with that one."""
        events: list[Event] = []
        while not events or not true(events[-1]):
            event = await self.next()
            assert event is not None, f"the stream ended after {events}"
            events.append(event)
        return events

    async def beat(self) -> None:
        """Wait for a comment; what is between is not looked at."""
        before = len(self.comments)
        while len(self.comments) == before:
            line = await self._line()
            assert line is not None, "the stream ended"
            if line.startswith(":"):
                self.comments.append(line[1:].strip())

    async def _line(self) -> str | None:
        while not self._lines:
            chunk = await self.answer.content.readany()
            if not chunk:
                return None
            *self._lines, self._rest = _END.split(self._rest + chunk)
        return self._lines.pop(0).decode()


def _event(fields: Mapping[str, list[str]]) -> Event:
    assert set(fields) <= {"event", "id", "data"}, fields
    [name], data = fields["event"], "\n".join(fields["data"])
    return Event(name, int(fields["id"][0]) if "id" in fields else None, json.loads(data))


@asynccontextmanager
async def streaming(
    session: aiohttp.ClientSession, url: str, *, last: int | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Stream]:
    """Follow `url`; `last` is the number of the last record that the client has."""
    said = {**(headers or {}), **({} if last is None else {"Last-Event-ID": str(last)})}
    timeout = aiohttp.ClientTimeout(total=LONGEST)
    async with session.get(url, headers=said, timeout=timeout) as answer:
        assert answer.status == 200, await answer.text()
        yield Stream(answer)
