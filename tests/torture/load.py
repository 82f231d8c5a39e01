"""Callers who keep a daemon busy, and remember what it answered: each answer is a promise that a restart must keep."""

from __future__ import annotations

import http.client
import itertools
import random
import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tests.acceptance.calls import Answer
from tests.acceptance.processes import until
from tests.torture.estate import AS_ADMIN, Estate
from tests.torture.left import Left

GONE = (OSError, http.client.HTTPException)
"""How the end of a daemon looks to its callers."""

DONE = {200, 201, 202}
REFUSED = {409, 412, 503}
"""A bind is under way already; the file has changed meanwhile; it cannot be recorded now."""

FEW_TOKENS = 3

FEW = 5
"""Promises, enough to see whether they are kept."""

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A call that was answered with success: its record is durable, and so is what it did."""

    request: str
    what: str

    def broken(self, left: Left) -> str | None:
        """What is missing; None while all is there."""
        if self.request not in left.requests:
            return f"{self.what}, answered as {self.request}, has no record"
        return None if self.holds(left) else f"{self.what}, answered as {self.request}, was undone: {self!r}"

    @abstractmethod
    def holds(self, left: Left) -> bool:
        """Whether what it did is there."""


@dataclass(frozen=True, kw_only=True)
class Recorded(Promise):
    """Nothing beside the record was promised."""

    def holds(self, left: Left) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Written(Promise):
    """A display name with a number, in the file of a site; a later one may stand there by now."""

    site: str
    number: int

    def holds(self, left: Left) -> bool:
        return left.names[self.site] >= self.number


@dataclass(frozen=True, kw_only=True)
class BindKnown(Promise):
    """A bind that was begun, or whose end was answered (`end`)."""

    bind: str
    end: str

    def holds(self, left: Left) -> bool:
        return self.bind in left.binds and self.end in ("open", left.binds[self.bind])


@dataclass(frozen=True, kw_only=True)
class TokenKnown(Promise):
    """A token that was made, or revoked."""

    token: str
    is_valid: bool

    def holds(self, left: Left) -> bool:
        return (self.token in left.tokens) == self.is_valid


class Load:
    """Callers, one for each site and one for tokens, while the `with` block and the daemon last.

    `beyond` its own calls: files are edited as by an administrator, and tokens of earlier loads revoked.
    """

    def __init__(self, estate: Estate, *, seed: int, beyond: bool = True) -> None:
        self._estate = estate
        self._beyond = beyond
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._name = f"load-{seed}"
        self._chance = random.Random(seed)
        self.promises: list[Promise] = []
        self.refused = 0

    def __enter__(self) -> Self:
        callers = [threading.Thread(target=self._call_on, args=(self._site_call(site),)) for site in self._estate.sites]
        self._threads = [*callers, threading.Thread(target=self._call_on, args=(self._token_call(),))]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def enough(self, seconds: float) -> None:
        """Return after so long."""
        self._stop.wait(seconds)

    def promised(self, more: int) -> None:
        """Return once so many more calls were answered with success, however long that takes on a busy machine."""
        goal = len(self.promises) + more
        until(lambda: len(self.promises) >= goal or self._errors, f"{more} more calls are answered with success")

    def _call_on(self, call: Callable[[], None]) -> None:
        try:
            while not self._stop.is_set():
                call()
        except GONE:
            return
        except BaseException as error:  # noqa: BLE001 - it is raised where the load is waited for
            self._errors.append(error)

    def _ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[str, Answer]:
        request = f"{self._name}-{next(_numbers)}"
        more = {**AS_ADMIN, "X-Request-ID": request, **headers}
        answer = self._estate.api.ask(method, path, body, headers=more)
        assert answer.status in DONE | REFUSED, f"{method} {path}: {answer}"
        self.refused += answer.status == 503
        return request, answer

    def _site_call(self, site: str) -> Callable[[], None]:
        calls: list[Callable[[str], None]] = [self._rebind, self._rebind, self._rebind_to_the_end, self._write]
        if self._beyond:
            calls.append(self._edit_and_reload)
        chance = random.Random(self._chance.random())
        return lambda: chance.choice(calls)(site)

    def _rebind(self, site: str) -> None:
        request, answer = self._ask("POST", f"/api/v1/sites/{site}/rebind")
        if answer.status in DONE:
            self.promises.append(BindKnown(request=request, what="a bind", bind=answer.json["id"], end="open"))

    def _rebind_to_the_end(self, site: str) -> None:
        request, answer = self._ask("POST", f"/api/v1/sites/{site}/rebind?wait=30")
        if answer.status in DONE:
            end = answer.json["state"]
            self.promises.append(BindKnown(request=request, what="a bind's end", bind=answer.json["id"], end=end))

    def _write(self, site: str) -> None:
        path = f"/api/v1/sites/{site}/config"
        _, seen = self._ask("GET", path)
        if seen.status not in DONE:
            return
        number = next(_numbers)
        body = {"options": {"site": {"display_name": f"{site} {number}"}}}
        request, answer = self._ask("PUT", path, body, **{"If-Match": seen.headers["etag"]})
        if answer.status in DONE:
            written = Written(request=request, what="a change of the configuration", site=site, number=number)
            self.promises.append(written)

    def _edit_and_reload(self, site: str) -> None:
        """As an administrator with an editor; the watch on the folder may be quicker than their call."""
        file = self._estate.file(site)
        text = file.read_text(encoding="utf-8").partition("# edit ")[0]
        edited = file.with_name(f".{file.name}.edited")
        edited.touch(mode=0o600)
        edited.write_text(f"{text}# edit {next(_numbers)}\n", encoding="utf-8")
        edited.replace(file)
        self._ask("POST", "/-/reload")

    def _token_call(self) -> Callable[[], None]:
        """Tokens are made, and the oldest one revoked where there are more than a few."""
        made: dict[str, Promise | None] = {}

        def call() -> None:
            if self._beyond and not made:
                made.update(dict.fromkeys(one["id"] for one in self._ask("GET", "/api/v1/tokens")[1].json["tokens"]))
            if len(made) > FEW_TOKENS:
                oldest = next(iter(made))
                self._revoke(oldest, made.pop(oldest))
            body = {"name": f"torture-{next(_numbers)}", "scopes": ["read"]}
            request, answer = self._ask("POST", "/api/v1/tokens", body)
            if answer.status in DONE:
                token = answer.json["id"]
                made[token] = TokenKnown(request=request, what="a token", token=token, is_valid=True)
                self.promises.append(made[token])

        return call

    def _revoke(self, token: str, made: Promise | None) -> None:
        if made is not None:
            # From here on it may be gone, whether the answer comes or not; that it was made stays recorded.
            self.promises[self.promises.index(made)] = Recorded(request=made.request, what="a token")
        request, answer = self._ask("DELETE", f"/api/v1/tokens/{token}", {})
        if answer.status in DONE:
            self.promises.append(TokenKnown(request=request, what="a revocation", token=token, is_valid=False))


def kept(promises: Sequence[Promise], left: Left) -> int:
    """Hold every promise against what is left; their number. Raises AssertionError with what is missing."""
    broken = [said for promise in promises if (said := promise.broken(left))]
    assert not broken, f"{len(broken)} of {len(promises)} are broken: {broken[:5]}"
    return len(promises)
