"""Whether sites hold usable bindings, as a health answer. Used by the front door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from daemon.engine.operations import Check, Health
from states import Snapshot, State, is_ready


def configured(known: Iterable[Snapshot]) -> list[Snapshot]:
    """Every site but those whose file was taken away: they are nobody's business any more."""
    return [now for now in known if now.state is not State.UNCONFIGURED or now.findings]


def readiness(snapshots: Sequence[Snapshot], *, at: datetime) -> Health:
    """One check for each site; without any site nothing is ready."""
    if not snapshots:
        text = "no site is configured"
        return Health(ok=False, checks=(Check(name="configuration", status="fail", text=text),))
    checks = [(is_ready(now, at=at), now) for now in sorted(snapshots, key=lambda now: now.site)]
    return Health(ok=all(ok for ok, _ in checks), checks=tuple(_check(ok, now) for ok, now in checks))


def _check(ok: bool, now: Snapshot) -> Check:  # noqa: FBT001 - a pair from the line above
    name, text = f"site {now.site}", f"{now.state.value}: {now.reason}"
    if not ok:
        return Check(name=name, status="fail", text=text)
    if now.state is State.BOUND:
        return Check(name=name, status="pass", text="bound")
    return Check(name=name, status="warn", text=f"{text}; the earlier binding is still held")
