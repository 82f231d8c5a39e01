"""Asks a running sandbox over its own HTTPS control, with its own CA. Used by `sitebind sandbox ...`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from daemon.cli.exits import Exit, Failure
from daemon.cli.terminal import plain

NOTE: Final = "sandbox.json"


@dataclass(frozen=True, slots=True)
class Control:
    """The sandbox whose files lie in `folder`."""

    folder: Path

    def get(self, path: str) -> dict[str, Any]:
        """Read something. Raises `Failure`."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change something. Raises `Failure`."""
        return self._ask("POST", path, body)

    def answers(self) -> bool:
        """Whether a sandbox runs here: what a killed one left behind does not count."""
        try:
            return "troubles" in self.get("/sandbox/state")
        except Failure:
            return False

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        note = self._note()
        try:
            status, document = _exchange(note, method, path=path, body=body)
        except (OSError, ValueError) as error:
            raise Failure(f"{self._gone()} {plain(note.get('global_url'))}: {plain(error)}", Exit.UNREACHABLE) from None
        if status != 200:
            raise Failure(plain(document.get("error", f"HTTP {status}")), Exit.USAGE)
        return document

    def _note(self) -> dict[str, Any]:
        try:
            note = json.loads((self.folder / NOTE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Failure(self._absent(), Exit.UNREACHABLE) from None
        except (OSError, ValueError) as error:
            raise Failure(f"{self.folder / NOTE} cannot be read: {plain(error)}", Exit.UNREACHABLE) from None
        if not isinstance(note, dict):
            raise Failure(f"{self.folder / NOTE} was not written by a sandbox.", Exit.UNREACHABLE)
        return note

    def _absent(self) -> str:
        return (
            f"No sandbox is running here: there is no {self.folder / NOTE}.\n"
            "  Start one with: sitebind demo (or: sitebind sandbox). In another folder? Go there, or name it "
            "with --directory."
        )

    def _gone(self) -> str:
        return f"{self.folder / NOTE} names a sandbox that does not answer; it ended or was killed. It was at"


def _exchange(
    note: dict[str, Any], method: str, *, path: str, body: dict[str, Any] | None
) -> tuple[int, dict[str, Any]]:
    import http.client
    import ssl
    from urllib.parse import urlsplit

    parts = urlsplit(str(note.get("global_url", "")))
    trust = ssl.create_default_context(cafile=str(note.get("ca_file")))
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=10, context=trust)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        answer = connection.getresponse()
        document = json.loads(answer.read())
    except http.client.HTTPException as error:
        raise ValueError(f"its answer is not HTTP ({type(error).__name__})") from None
    finally:
        connection.close()
    return answer.status, document
