"""What signed checkpoints and anchors say of a trail that was walked. Used by `sitebind audit verify`.

A chain that fits in itself may still have been cut off at its end or rewritten whole: only who knows more than the
chain can tell. A checkpoint knows one record of then. These functions block.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from daemon.ports import ChainReport, Seal
from daemon.store.audit import reading
from daemon.store.checkpoints import Entry, entries
from daemon.store.signing import PublicKey

Verdict = Literal["fits", "pruned", "cut", "rewritten", "forged", "foreign", "torn"]
FINE: Final = frozenset({"fits", "pruned", "torn"})

HashAt = Callable[[int], str | None]
"""The stored hash of a record; None where there is no such record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A line of a checkpoint file beside the trail, in words."""

    line: int
    verdict: Verdict
    seq: int | None
    at: str
    text: str

    @property
    def fine(self) -> bool:
        """Whether it says nothing against the trail."""
        return self.verdict in FINE


def judged(
    lines: Iterable[str],
    report: ChainReport,
    *,
    hash_at: HashAt,
    keys: Iterable[PublicKey],
    restored: Iterable[int] = (),
) -> list[Judged]:
    """Every checkpoint beside the trail that `report` is about; `restored` are records of a restored backup."""
    known, backups = {key.fingerprint: key for key in keys}, list(restored)
    found = []
    for entry in entries(lines):
        verdict, text = _verdict(entry, report, hash_at=hash_at, keys=known)
        seal = entry.seal
        if verdict in ("cut", "rewritten") and seal is not None and backups:
            told = ", ".join(map(str, backups))
            text = f"{text}. A backup was restored (record {told}): compare what was replaced then, which was kept"
        found.append(
            Judged(
                line=entry.number,
                verdict=verdict,
                seq=None if seal is None else seal.seq,
                at="" if seal is None else seal.at,
                text=text,
            )
        )
    return found


def _verdict(
    entry: Entry, report: ChainReport, *, hash_at: HashAt, keys: Mapping[str, PublicKey]
) -> tuple[Verdict, str]:
    seal = entry.seal
    if seal is None and not entry.whole:
        return "torn", "the line is torn, as by a crash while it was written; it says nothing"
    if seal is None or seal.kind != "checkpoint":
        return "forged", "the line is no checkpoint: somebody else wrote it"
    if seal.key not in keys:
        return "foreign", f"it is signed with another key, {seal.key[:16]}…, than those that were given"
    if not keys[seal.key].signed(seal):
        return "forged", "its signature does not fit what it says: it was forged"
    return _beside(seal, report, hash_at)


def _beside(seal: Seal, report: ChainReport, hash_at: HashAt) -> tuple[Verdict, str]:
    """What a genuine checkpoint says of the trail."""
    stored = hash_at(seal.seq)
    if stored is not None:
        if stored == seal.hash:
            return "fits", f"record {seal.seq} is the one that it knows"
        return "rewritten", f"record {seal.seq} is not the one that the checkpoint of {seal.at} knows: it was rewritten"
    anchor = report.anchor
    if anchor is not None and anchor.seq == seal.seq and anchor.hash != seal.hash:
        return "rewritten", f"the trail begins behind another record {seal.seq} than the checkpoint of {seal.at} knows"
    first = report.first if anchor is None else anchor.seq + 1
    if seal.seq < first:
        why = "were pruned" if anchor is not None else "are not in it"
        return "pruned", f"the records up to {seal.seq} {why}; it begins with {first}"
    return "cut", f"the checkpoint of {seal.at} knows record {seal.seq}, the trail ends at {report.last}"


def anchor_doubt(report: ChainReport, keys: Iterable[PublicKey]) -> str:
    """Why the anchor behind which the trail begins is not to be trusted; empty where nothing speaks against it."""
    anchor, known = report.anchor, {key.fingerprint: key for key in keys}
    if anchor is None or not known:
        return ""
    if anchor.key not in known:
        return (
            f"the records up to {anchor.seq} were removed behind an anchor that is signed with another key, "
            f"{anchor.key[:16]}…, than those that were given"
        )
    if not known[anchor.key].signed(anchor):
        return f"the anchor of the records up to {anchor.seq} was forged: its signature does not fit"
    return ""


class FileHashes:
    """The hashes of a database file, as `HashAt`; `restored` are the records that tell of a restored backup."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with reading(path) as connection:
            rows = connection.execute("SELECT seq FROM audit WHERE event = 'restored' ORDER BY seq").fetchall()
        self.restored = [seq for (seq,) in rows]

    def within(self, wanted: Iterable[int]) -> dict[int, str]:
        """Those of these records that there are."""
        with reading(self._path) as connection:
            query = "SELECT seq, hash FROM audit WHERE seq = ?"
            rows = (connection.execute(query, (seq,)).fetchone() for seq in sorted(set(wanted)))
            return {row[0]: row[1] for row in rows if row is not None}


def hashes_in_export(lines: Iterable[str], wanted: Iterable[int]) -> tuple[dict[int, str], list[int]]:
    """The hashes of these records in JSON lines that were verified, and the records that tell of a restored backup."""
    numbers, found, restored = set(wanted), {}, []
    for text in lines:
        try:
            record = json.loads(text)
            if record["seq"] in numbers:
                found[record["seq"]] = record["hash"]
            if record["event"] == "restored":
                restored.append(record["seq"])
        except (ValueError, KeyError, TypeError):
            continue  # the verification of the export has named it
    return found, restored
