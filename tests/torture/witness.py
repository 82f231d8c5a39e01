"""Sees every privileged effect at the moment it happens, and looks whether its record is durable already."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from daemon.sandbox import Sandbox
from daemon.sandbox.keys import AccessKey, KeyRing
from tests.torture.nth import Nth

_SIGN_IN = "sign-in "
_ENDS = ("bind_succeeded", "orphan_found", "unbind_requested")
"""What orders that keys end: a newer binding, an attempt that nobody waited for, a request."""


class WatchedKeys(KeyRing):
    """The service's keys; `issued` and `revoked` are told before it is done."""

    issued: Callable[[], Callable[[AccessKey], None]]
    revoked: Callable[[AccessKey], None]

    def issue(self, address: str, application_id: str, *, now: datetime, epoch: int) -> AccessKey:
        told = self.issued()
        key = super().issue(address, application_id, now=now, epoch=epoch)
        told(key)
        return key

    def revoke(self, key: AccessKey) -> None:
        self.revoked(key)
        super().revoke(key)


@dataclass(frozen=True, slots=True)
class Origin:
    """The bind under which the service issued a key, and the end of the audit trail at that moment."""

    bind_id: str
    seq: int


class Witness:
    """Of one round: one database, one configuration file, one site."""

    def __init__(self, config: Path, database: Path, sandbox: Sandbox, nth: Nth) -> None:
        self._config = config
        self._database = database
        self._nth = nth
        self._renames = 0
        self.origins: dict[str, Origin] = {}
        self.violations: list[str] = []
        old = sandbox.world.keys
        keys = WatchedKeys(**{f.name: getattr(old, f.name) for f in fields(KeyRing) if f.init and f.name[0] != "_"})
        keys.issued, keys.revoked = self._issuing, self._revoking
        sandbox.world.keys = keys

    def blame(self, what: str) -> None:
        """Note a broken promise."""
        self.violations.append(what)

    def stored(self, query: str, *values: Any) -> list[Any]:
        """What is durable now, read past the daemon."""
        with self._nth.aside(), closing(sqlite3.connect(f"{self._database.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()

    def saw(self, name: str, arguments: tuple[Any, ...]) -> None:
        """A call for a file that is about to be made."""
        if self._nth.is_own:
            return
        if name in {"rename", "replace"} and Path(arguments[1]) == self._config:
            self._renames += 1
            if len(self.stored("SELECT seq FROM audit WHERE event = 'config_write'")) < self._renames:
                self.blame("the configuration was replaced without a record")
        if name == "open" and arguments[1] & os.O_CREAT and Path(arguments[0]).parent.name in {"secrets", "backups"}:
            self._putting_aside(Path(arguments[0]))

    def _putting_aside(self, path: Path) -> None:
        last = self.stored("SELECT event FROM audit WHERE event LIKE 'config_writ%' ORDER BY seq DESC LIMIT 1")
        if last != [("config_write",)]:
            self.blame(f"a file in {path.parent.name} was made without a record")

    def _issuing(self) -> Callable[[AccessKey], None]:
        name = _signing_in() or self._newest()
        if not self.stored("SELECT 1 FROM binds WHERE id = ?", name):
            self.blame(f"keys were issued without a record of a bind {name}")
        if name in {one.bind_id for one in self.origins.values()}:
            self.blame(f"keys were issued twice for {name}")
        origin = Origin(name, self._last())

        def told(key: AccessKey) -> None:
            self.origins[key.access_key] = origin

        return told

    def _revoking(self, key: AccessKey) -> None:
        origin = self.origins[key.access_key]
        marks = ", ".join("?" * len(_ENDS))
        ordered = self.stored(f"SELECT seq FROM audit WHERE seq > ? AND event IN ({marks})", origin.seq, *_ENDS)
        undone = self.stored("SELECT id FROM binds WHERE state = 'open' AND id = ?", origin.bind_id)
        if not ordered and not undone:
            self.blame(f"the keys of {origin.bind_id} were revoked without a record")

    def _newest(self) -> str:
        """Who no longer waits for the answer has ended its bind."""
        found = self.stored("SELECT id FROM binds ORDER BY attempt DESC LIMIT 1")
        return str(found[0][0]) if found else ""

    def _last(self) -> int:
        ((last,),) = self.stored("SELECT coalesce(max(seq), 0) FROM audit")
        return int(last)


def _signing_in() -> str:
    """The bind whose sign-in is under way: the daemon names its tasks, and the service runs in the same loop."""
    try:
        names = sorted(task.get_name() for task in asyncio.all_tasks())
    except RuntimeError:  # no loop runs
        return ""
    return next((name.removeprefix(_SIGN_IN) for name in names if name.startswith(_SIGN_IN)), "")
