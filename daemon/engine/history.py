"""What the audit trail tells of a site's past: which state it was in from when to when, and why.

Values of the front door, with the rule that makes them from records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from daemon.audit_values import Signer
from daemon.ports import AuditRecord, Seal
from states import Snapshot, State


@dataclass(frozen=True, slots=True, kw_only=True)
class StateInterval:
    """A site was in `state` from `begin` to `end`; it still is where `end` is None.

    `seq` is the record that tells, 0 where that was pruned.
    """

    state: State
    begin: datetime
    end: datetime | None
    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateHistory:
    """Intervals in order, without gaps. The first may have begun before `since`, or later: then nothing was known.

    `complete` is False where so much happened since that older intervals were left out.
    """

    site: str
    since: datetime
    until: datetime
    intervals: tuple[StateInterval, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStatus:
    """What a walk of the audit chain found that ended at `checked_at`; `head` is the hash of its last record.

    `anchor` is behind which the trail begins, where older records were pruned; `signer` is who has signed it.
    """

    intact: bool
    records: int
    head: str
    checked_at: datetime
    broken_at: int | None = None
    reason: str = ""
    first: int = 0
    anchor: Seal | None = None
    signer: Signer = "unchecked"


def intervals_of(records: Iterable[AuditRecord]) -> tuple[StateInterval, ...]:
    """The intervals that these records of one site begin; where the clock was set back there are empty ones."""
    found: list[StateInterval] = []
    for record in records:
        begun = _begun(record)
        if begun is None or (found and found[-1].state is begun.state):
            continue
        if found:
            begun = replace(begun, begin=max(begun.begin, found[-1].begin))
            found[-1] = replace(found[-1], end=begun.begin)
        found.append(begun)
    return tuple(found)


def held_now(now: Snapshot) -> StateInterval:
    """The state that the site is in, where every record of it was pruned."""
    return StateInterval(state=now.state, begin=now.since, end=None, seq=0, reason=now.reason)


def _begun(record: AuditRecord) -> StateInterval | None:
    """None for a record that somebody damaged: the chain's verification is who speaks of it."""
    try:
        state, begin = State(record.after), datetime.fromisoformat(record.at)
    except ValueError:
        return None
    return StateInterval(state=state, begin=begin, end=None, seq=record.seq, reason=reason_of(record))


def reason_of(record: AuditRecord) -> str:
    """Why a record was written, in words: the fault with its detail, the reason that was given, or what happened."""
    said = record.detail
    texts = [text for name in ("fault", "detail", "reason") if isinstance(text := said.get(name), str) and text]
    findings = said.get("findings")
    if not texts and isinstance(findings, Sequence) and findings:
        texts = [str(findings[0])]
    happened = record.event.replace("_", " ")
    return f"{happened}: {': '.join(texts)}" if texts else happened
