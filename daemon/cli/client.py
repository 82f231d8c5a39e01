"""A small HTTP client for the running daemon, on the standard library alone so that it starts fast.

Used by status, rebind, reload and healthcheck. Whatever goes wrong becomes a `Failure` in words.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from daemon import __version__
from daemon.cli.exits import Exit, Failure
from daemon.cli.terminal import plain

if TYPE_CHECKING:
    import ssl

LARGEST_ANSWER: Final = 64 * 1024 * 1024
LINES: Final = "application/x-ndjson"
BROKE_OFF: Final = "The answer broke off before its end"
_NOT_ALLOWED: Final = (401, 403, 421)
_ON_THE_COMMAND_LINE: Final = {"site-not-named": "On the command line the site stands behind the command."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the daemon is. `found_by` says how we know; `no_token` says why there is no token to send.

    With `socket` it is reached there and `url` is what people read. `certificate` is the PEM text of the one
    certificate that is believed; without it the system's CAs decide.
    """

    url: str
    found_by: str
    token: str | None = None
    no_token: str = ""
    socket: str = ""
    certificate: str = ""

    def __repr__(self) -> str:
        return f"Target({self.url!r}, {self.found_by!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A JSON answer of the daemon; `location` is empty where none was given.

    The body shows in no `repr`: it may be that of a new token.
    """

    status: int
    body: dict[str, Any] = field(repr=False)
    location: str = ""


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """Asks the daemon at `target`; one connection for each request."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def target(self) -> Target:
        """Where it asks."""
        return self._target

    def get(self, path: str, *, timeout: float = 10.0, expected: Collection[int] = (200,)) -> Answer:
        """Read something. Raises `Failure`."""
        return self._ask("GET", path, body=None, timeout=timeout, expected=expected)

    def text(self, path: str, *, timeout: float = 10.0) -> str:
        """Read an answer that is text, not JSON. Raises `Failure`."""
        with self._reached(timeout):
            status, raw, _ = self._exchange("GET", path, body=None, timeout=timeout, accept="text/plain")
        if status != HTTPStatus.OK:
            self._expected(status, raw, expected=(HTTPStatus.OK,))
        if len(raw) > LARGEST_ANSWER:
            raise Failure(self._stranger("its answer is far too large"), Exit.UNREACHABLE)
        return raw.decode("utf-8", "replace")

    def lines(self, path: str, *, timeout: float) -> Iterator[dict[str, Any]]:
        """Read an answer that comes line by line; one in a single piece is one line. Raises `Failure`.

        `timeout` is the longest wait for the next line, in seconds.
        """
        with closing(self._connection(timeout)) as connection:
            with self._reached(timeout):
                connection.request("GET", path, headers=self._headers(None) | {"Accept": f"{LINES}, application/json"})
                answer = connection.getresponse()
                in_lines = answer.status == HTTPStatus.OK and answer.headers.get_content_type() == LINES
                whole = b"" if in_lines else answer.read(LARGEST_ANSWER + 1)
            if not in_lines:
                yield self._expected(answer.status, whole, expected=(HTTPStatus.OK,))
                return
            for raw in self._read(answer):
                line = self._document(raw, answer.status)
                if isinstance(problem := line.get("problem"), dict):
                    status = int(problem.get("status") or HTTPStatus.INTERNAL_SERVER_ERROR)
                    raise Failure(self._refusal(status, problem), _exit_for(status))
                yield line

    def _read(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """Whole lines. Once the answer has begun, a failure of the way is not taken for a daemon that is not there."""
        whole = True
        try:
            while whole and (raw := answer.readline(LARGEST_ANSWER + 1)):
                whole = raw.endswith(b"\n")
                if whole:
                    yield raw
        except (OSError, http.client.HTTPException):
            whole = False
        if not whole:
            raise Failure(f"{BROKE_OFF}, from {self._target.url}. Ask again.", Exit.FAILED)

    def post(
        self,
        path: str,
        body: dict[str, Any],
        *,
        timeout: float = 30.0,
        expected: Collection[int] = (200, 202),
    ) -> Answer:
        """Ask for something to be done. Raises `Failure`."""
        return self._ask("POST", path, body=body, timeout=timeout, expected=expected)

    def delete(self, path: str, *, timeout: float = 30.0) -> Answer:
        """Remove something. Raises `Failure`."""
        return self._ask("DELETE", path, body=None, timeout=timeout, expected=(200,))

    def _ask(
        self, method: str, path: str, *, body: dict[str, Any] | None, timeout: float, expected: Collection[int]
    ) -> Answer:
        with self._reached(timeout):
            status, raw, location = self._exchange(method, path, body=body, timeout=timeout)
        return Answer(status=status, body=self._expected(status, raw, expected=expected), location=location)

    @contextmanager
    def _reached(self, timeout: float) -> Iterator[None]:
        """Whatever goes wrong on the way is a `Failure` in words."""
        try:
            yield
        except TimeoutError:
            raise Failure(self._silent(timeout), Exit.UNREACHABLE) from None
        except OSError as error:
            raise Failure(self._unreachable(error), Exit.UNREACHABLE) from None
        except http.client.HTTPException:
            raise Failure(self._stranger("its answer is not HTTP"), Exit.UNREACHABLE) from None

    def _expected(self, status: int, raw: bytes, *, expected: Collection[int]) -> dict[str, Any]:
        document = self._document(raw, status)
        if status not in expected:
            raise Failure(self._refusal(status, document), _exit_for(status))
        return document

    def _exchange(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None,
        timeout: float,
        accept: str = "application/json",
    ) -> tuple[int, bytes, str]:
        connection = self._connection(timeout)
        try:
            payload = None if body is None else json.dumps(body).encode()
            connection.request(method, path, body=payload, headers=self._headers(body) | {"Accept": accept})
            answer = connection.getresponse()
            return answer.status, answer.read(LARGEST_ANSWER + 1), answer.headers.get("Location", "")
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._target.socket:
            return _OverSocket(self._target.socket, timeout)
        parts = urlsplit(self._target.url)
        if parts.hostname is None:
            raise Failure(f"{plain(self._target.url)} names no host.", Exit.USAGE)
        if parts.scheme == "https":
            context = _trusting(self._target.certificate)
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    def _headers(self, body: dict[str, Any] | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": f"sitebind/{__version__}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._target.token is not None:
            headers["Authorization"] = f"Bearer {self._target.token}"
        return headers

    def _document(self, raw: bytes, status: int) -> dict[str, Any]:
        if len(raw) > LARGEST_ANSWER:
            raise Failure(self._stranger("its answer is far too large"), Exit.UNREACHABLE)
        try:
            document = json.loads(raw)
        except ValueError:
            raise Failure(self._stranger(f"HTTP {status} without JSON"), Exit.UNREACHABLE) from None
        if not isinstance(document, dict):
            raise Failure(self._stranger(f"HTTP {status} with an unknown document"), Exit.UNREACHABLE)
        return document

    def _unreachable(self, error: OSError) -> str:
        return (
            f"sitebind is not reachable at {self._target.url}: {_reason(error)}.\n"
            f"  The address comes from {self._target.found_by}.\n"
            "  Is it running? Start it with: sitebind run. Another address? Name it with --config or --url."
        )

    def _silent(self, timeout: float) -> str:
        return (
            f"sitebind at {self._target.url} did not answer within {timeout:.0f} s.\n"
            f"  The address comes from {self._target.found_by}.\n"
            "  Something listens there, but its loop may be stuck: read its log, and restart it if it lasts."
        )

    def _stranger(self, what: str) -> str:
        return (
            f"What answers at {self._target.url} is not sitebind: {what}.\n"
            f"  The address comes from {self._target.found_by}. Name another with --config or --url."
        )

    def _refusal(self, status: int, problem: dict[str, Any]) -> str:
        """A problem document in words: title, detail, findings, what to do, and how to find it in the log."""
        title = plain(problem.get("title") or f"HTTP {status}")
        detail = plain(problem.get("detail") or "")
        lines = [f"{title}: {detail}" if detail else title]
        findings = problem.get("findings")
        lines += [f"  {plain(finding)}" for finding in findings] if isinstance(findings, list) else []
        remedy = plain(problem.get("remedy") or self._remedy(status, str(problem.get("code"))))
        lines += [f"  {remedy}"] if remedy else []
        if problem.get("request_id"):
            lines.append(f"  Request id, as in the log and the audit trail: {plain(problem['request_id'])}")
        return "\n".join(lines)

    def _remedy(self, status: int, code: str) -> str:
        if status not in (401, 403):
            return _ON_THE_COMMAND_LINE.get(code, "")
        if self._target.token is None:
            return f"No token was sent: {self._target.no_token}."
        return "The token that was sent is not the one that the daemon knows: was it changed without a reload?"


def _trusting(certificate: str) -> ssl.SSLContext:
    """TLS for the address in the configuration believes the certificate there, whatever name stands in it."""
    import ssl

    if not certificate:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate itself is known: its name adds nothing
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


def _exit_for(status: int) -> Exit:
    if status in _NOT_ALLOWED:
        return Exit.NOT_ALLOWED
    if status in (502, 503):
        return Exit.FAILED
    return Exit.USAGE if 400 <= status < 500 else Exit.INTERNAL


def _reason(error: OSError) -> str:
    return plain(error.strerror or error)[:200].lower()
