"""Callers without manners, over raw sockets, before a daemon in a process of its own.

Each gets the answer that stands beside it here or is hung up on; everybody else is answered meanwhile, and when they
have gone the daemon has as many descriptors as before and hardly more memory.
"""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.acceptance.processes import Program, until
from tests.torture.estate import Estate, world
from tests.torture.figures import Figure

_PATIENCE = 60.0
_SOON = 0.2
"""Seconds after which nonsense is left alone that is not answered: it may be the beginning of something."""
_HELD = 600
"""More than the daemon takes at once."""
_GROWTH = 24 * 1024
"""KiB that may stay: the allocator keeps what it had."""
_HOST = b"Host: localhost\r\n"
_CLOSE = b"Connection: close\r\n"
_JSON = b"Content-Type: application/json\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rudeness:
    """What is sent, whole, and the codes that may be answered; 0 stands for being hung up on without a word."""

    what: str
    sent: bytes
    answered: tuple[int, ...]


def _get(path: bytes = b"/api/v1/sites", *headers: bytes, method: bytes = b"GET", host: bytes = _HOST) -> bytes:
    return b"%s %s HTTP/1.1\r\n%s%s%s\r\n" % (method, path, host, _CLOSE, b"".join(line + b"\r\n" for line in headers))


def _post(headers: bytes, body: bytes = b"", path: bytes = b"/api/v1/sites/berlin/rebind") -> bytes:
    return b"POST %s HTTP/1.1\r\n%s%s%s%s\r\n%s" % (path, _HOST, _CLOSE, _JSON, headers, body)


def _form(path: bytes) -> bytes:
    kind = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n"
    return b"POST %s HTTP/1.1\r\n%s%s%s\r\na=b" % (path, _HOST, _CLOSE, kind)


RUDE: Sequence[Rudeness] = (
    Rudeness(what="a stranger's Host", sent=_get(host=b"Host: evil.example\r\n"), answered=(421,)),
    Rudeness(what="two Hosts", sent=_get(b"/", b"Host: evil.example"), answered=(400, 421)),
    Rudeness(what="no Host", sent=_get(host=b""), answered=(400,)),
    Rudeness(what="another name in the request line", sent=_get(b"http://evil.example/metrics"), answered=(421,)),
    Rudeness(what="another origin", sent=_get(b"/metrics", b"Origin: https://evil.example"), answered=(403,)),
    Rudeness(what="the origin null", sent=_get(b"/metrics", b"Origin: null"), answered=(403,)),
    Rudeness(what="another site's fetch", sent=_get(b"/metrics", b"Sec-Fetch-Site: cross-site"), answered=(403,)),
    Rudeness(what="a sibling site's fetch", sent=_get(b"/metrics", b"Sec-Fetch-Site: same-site"), answered=(403,)),
    Rudeness(what="a change asked for by another origin",
             sent=_post(b"Origin: http://evil.example\r\nContent-Length: 2\r\n", b"{}"), answered=(403,)),
    Rudeness(what="a form without its token", sent=_form(b"/sites/berlin/doctor"), answered=(403,)),
    Rudeness(what="a sign-in without its token",
             sent=_form(b"/sign-in"), answered=(403,)),
    Rudeness(what="TRACE", sent=_get(method=b"TRACE"), answered=(405,)),
    Rudeness(what="OPTIONS with a preflight", answered=(405,),
             sent=_get(b"/metrics", b"Access-Control-Request-Method: PUT", method=b"OPTIONS")),
    Rudeness(what="CONNECT", sent=_get(b"evil.example:443", method=b"CONNECT"), answered=(0, 400, 404, 405, 421)),
    Rudeness(what="a method nobody knows", sent=_get(method=b"BREW"), answered=(400, 405)),
    Rudeness(what="a request line of 20 KiB", sent=_get(b"/" + b"x" * 20_480), answered=(400,)),
    Rudeness(what="a header of 20 KiB", sent=_get(b"/", b"X-Long: " + b"x" * 20_480), answered=(400,)),
    Rudeness(what="a header's name of 20 KiB", sent=_get(b"/", b"x" * 20_480 + b": x"), answered=(400,)),
    Rudeness(what="100 headers", sent=_get(b"/", *(b"X-%d: x" % number for number in range(100))), answered=(400,)),
    Rudeness(what="a length of 10 MB", sent=_post(b"Content-Length: 10000000\r\n", b"{" * 100_000), answered=(413,)),
    Rudeness(what="a length beyond any number", answered=(400, 413),
             sent=_post(b"Content-Length: %s\r\n" % (b"9" * 40))),
    Rudeness(what="a length below nothing", sent=_post(b"Content-Length: -1\r\n"), answered=(400,)),
    Rudeness(what="two lengths", sent=_post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"), answered=(400,)),
    Rudeness(what="a length and chunks", answered=(400,),
             sent=_post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    Rudeness(what="chunks of 128 KiB in all",
             sent=_post(b"Transfer-Encoding: chunked\r\n", (b"8000\r\n" + b"{" * 0x8000 + b"\r\n") * 4 + b"0\r\n\r\n"),
             answered=(413,)),
    Rudeness(what="a chunk that is none", sent=_post(b"Transfer-Encoding: chunked\r\n", b"zz\r\n"), answered=(400,)),
    Rudeness(what="a body that is packed", answered=(415,),
             sent=_post(b"Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"{}")),
    Rudeness(what="an upgrade", sent=_get(b"/metrics", b"Upgrade: h2c", b"HTTP2-Settings: AAAA"), answered=(200, 400)),
    Rudeness(what="HTTP/2 without asking", sent=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", answered=(0, 400, 404, 405, 421)),
    Rudeness(what="TLS where there is none", answered=(400,),
             sent=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64),
    Rudeness(what="a path out of everything", sent=_get(b"/../../../etc/passwd"), answered=(404,)),
    Rudeness(what="a path in bytes that are no text", sent=_get(b"/api/v1/sites/%ff%00%0d%0aX:y"), answered=(400, 404)),
)  # fmt: skip


def figures(*, long: bool) -> Iterator[Figure]:
    """Be rude; raises for another answer, for a 5xx, and where somebody else was not answered."""
    with world() as simulated, TemporaryDirectory(prefix="sitebind-torture-") as folder:
        estate = Estate.new(Path(folder) / "daemon", simulated)
        with estate.start() as daemon:
            _polite(estate)
            before = _size_of(daemon)
            found = f"each refused as it should be: {_refused(estate, RUDE)}"
            yield Figure(what="requests that break a rule of HTTP or of ours", amount=f"{len(RUDE)} kinds", found=found)
            found = _heads(estate)
            yield Figure(what="slowloris: half a head on each, held", amount=f"{_HELD} connections", found=found)
            bodies = 200 if long else 40
            found = _bodies(estate, bodies)
            yield Figure(what="bodies without an end, half in chunks", amount=f"{bodies} connections", found=found)
            requests = 1_000 if long else 100
            found = _pipelined(estate, requests)
            yield Figure(what="pipelined requests on one connection", amount=f"{requests:,}", found=found)
            times = 5_000 if long else 100
            found = _noise(estate, times)
            yield Figure(what="random bytes, and the above with bytes changed", amount=f"{times:,} calls", found=found)
            yield Figure(what="afterwards, against before", amount="once", found=_recovered(daemon, before))
            assert "Traceback" not in daemon.err, daemon.err[-4000:]
            assert daemon.stop() == 0
            estate.verify()


@contextmanager
def _connected(estate: Estate) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", estate.port), timeout=_PATIENCE) as line:
        yield line


def _heard(line: socket.socket) -> bytes:
    """Everything until it hangs up, or waits for more than `line` has patience for."""
    pieces: list[bytes] = []
    try:
        while piece := line.recv(65536):
            pieces.append(piece)
    except ConnectionError:
        pass  # it did not want to hear the rest: what it had said may be lost on the way
    except TimeoutError:
        assert line.gettimeout() != _PATIENCE, f"neither answered nor hung up on: {pieces}"
    return b"".join(pieces)


def _said(estate: Estate, data: bytes, *, patience: float = _PATIENCE) -> bytes:
    """Say it and hear the answer."""
    with _connected(estate) as line:
        line.settimeout(patience)
        with suppress(ConnectionError):  # it may answer, and hang up, before it has heard everything
            line.sendall(data)
        return _heard(line)


def _code(answer: bytes) -> int:
    found = re.match(rb"HTTP/\d\.\d (\d{3}) ", answer)
    assert found or not answer, answer[:200]
    return int(found[1]) if found else 0


def _polite(estate: Estate) -> None:
    """Somebody else is answered as ever."""
    assert estate.api.ask("GET", "/-/healthy").status == 200
    assert estate.api.ask("GET", "/api/v1/sites").status == 200


def _refused(estate: Estate, rude: Iterable[Rudeness]) -> str:
    counted: dict[int, int] = {}
    for one in rude:
        code = _code(_said(estate, one.sent))
        assert code in one.answered, f"{one.what}: {code} instead of {one.answered}"
        counted[code] = counted.get(code, 0) + 1
        _polite(estate)
    return ", ".join(f"{count} × {code or 'hung up on'}" for code, count in sorted(counted.items()))


def _heads(estate: Estate) -> str:
    """More than may be connected; the oldest are sent away, and others come in between."""
    answered = 0
    with ExitStack() as stack:
        lines = []
        for number in range(_HELD):
            lines.append(stack.enter_context(_connected(estate)))
            lines[-1].sendall(b"GET /-/healthy HTTP/1.1\r\nHost: loc")
            if number % 50 == 0:
                _polite(estate)
                answered += 2
        gone = until(lambda: _over(lines), "all above 512 were sent away, as docs/access.md says")
    return f"the {gone} oldest were sent away; {answered} of {answered} requests of others answered"


def _over(lines: Sequence[socket.socket]) -> int | None:
    """How many were sent away, once there are as few as may be."""
    gone = sum(map(_is_over, lines))
    return gone if gone >= len(lines) - 512 else None


def _is_over(line: socket.socket) -> bool:
    line.setblocking(False)
    try:
        return line.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def _bodies(estate: Estate, number: int) -> str:
    """Each is told that it is late, and hung up on."""
    framings = (b"Content-Length: 60000\r\n", b"Transfer-Encoding: chunked\r\n")
    with ExitStack() as stack:
        lines = [stack.enter_context(_connected(estate)) for _ in range(number)]
        for at, line in enumerate(lines):
            line.sendall(_post(framings[at % 2], b"{" if at % 2 == 0 else b"1\r\n{\r\n"))
        _polite(estate)
        codes = [_code(_heard(line)) for line in lines]
    assert set(codes) == {408}, codes
    return "each answered 408 and closed; others were answered meanwhile"


def _pipelined(estate: Estate, number: int) -> str:
    one = b"GET /-/healthy HTTP/1.1\r\n" + _HOST
    answer = _said(estate, (one + b"\r\n") * (number - 1) + one + _CLOSE + b"\r\n")
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == number
    return "answered one by one, in order"


def _noise(estate: Estate, times: int) -> str:
    chance, counted = random.Random(1), dict[int, int]()
    for number in range(times):
        code = _code(_said(estate, _nonsense(chance), patience=_SOON))
        assert code < 500, f"the {number}th was answered {code}"
        counted[code] = counted.get(code, 0) + 1
        if number % 100 == 0:
            _polite(estate)
    return ", ".join(f"{count:,} × {code or 'hung up on'}" for code, count in sorted(counted.items()))


def _nonsense(chance: random.Random) -> bytes:
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(1, 2000))
    data = bytearray(chance.choice(RUDE).sent[:4000])
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data))
        data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(data)


def _size_of(daemon: Program) -> tuple[int, int]:
    """Descriptors, and resident KiB."""
    place = Path("/proc") / str(daemon.pid)
    found = re.search(r"^VmRSS:\s+(\d+) kB", (place / "status").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return sum(1 for _ in (place / "fd").iterdir()), int(found[1])


def _recovered(daemon: Program, before: tuple[int, int]) -> str:
    descriptors, memory = until(
        lambda: size if (size := _size_of(daemon))[0] <= before[0] else None, "every descriptor came back"
    )
    grown = memory - before[1]
    assert grown < _GROWTH, f"{grown} KiB more than before"
    return f"{descriptors} descriptors ({before[0]} before), {grown / 1024:+.1f} MiB resident"
