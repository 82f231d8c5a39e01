"""`sitebind audit verify`: whether the trail, or an export, is as it was written and as its checkpoints know it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from daemon.cli.audit_place import add_database, database, readable
from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, count
from daemon.cli.terminal import Palette, counted, plain

if TYPE_CHECKING:
    from daemon.ports import ChainReport
    from daemon.store.proving import Judged
    from daemon.store.signing import PublicKey

_SHOWN: Final = 10
"""Checkpoints that say something against the trail, each told on a line; more are counted."""


def add(audit: Parser) -> None:
    """Add the command to `sitebind audit`."""
    verify = audit.command(
        "verify",
        help="prove that no record was edited, removed or moved",
        example="sitebind audit verify --database /var/lib/sitebind/sitebind.db\n"
        "  sitebind audit verify --export sitebind-audit.jsonl\n"
        "  sitebind audit verify --checkpoints /mnt/log/checkpoints.jsonl --public-key checkpoint-public.pem\n\n"
        "A trail whose end was cut off, or that was rewritten whole, shows against its checkpoints only.\n"
        "exit code: 0 intact, 5 broken. The trail is tamper-evident, not tamper-proof",
        execute=_verify,
    )
    _add_options(verify)
    add_database(verify)
    add_json(verify)


def _add_options(verify: Parser) -> None:
    verify.add_argument(
        "--export",
        metavar="FILE",
        type=Path,
        help="JSON lines that were exported, in place of the database",
    )
    verify.add_argument(
        "--checkpoints", metavar="FILE", type=Path, help="signed checkpoints to hold it against; needs --public-key"
    )
    verify.add_argument(
        "--public-key",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="PEM file of the key that signed checkpoints and what was pruned; once for each key that ever did",
    )
    verify.add_argument(
        "--jobs",
        type=count,
        default=1,
        metavar="N",
        help="processes that share the work, each a range of the database's trail (default: 1)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    path: Path
    report: ChainReport
    checkpoints: list[Judged] | None
    doubt: str
    anchor_signed: bool | None

    @property
    def suspect(self) -> bool:
        """Whether something speaks against the trail."""
        return not self.report.intact or bool(self.doubt) or not all(one.fine for one in self.checkpoints or ())

    @property
    def proven(self) -> bool:
        """Whether a checkpoint knows the trail, where they were given: a file that holds none proves nothing."""
        return self.checkpoints is None or any(one.verdict == "fits" for one in self.checkpoints)


def _verify(args: argparse.Namespace) -> int:
    if args.checkpoints is not None and not args.public_key:
        raise Failure(
            "--checkpoints needs --public-key FILE: whoever changed the trail can write checkpoints too, but not sign "
            "them. `sitebind audit key --public` prints it.",
            Exit.USAGE,
        )
    keys = [_public_key(path) for path in args.public_key]
    found = _found(args, keys)
    if args.json:
        print(json.dumps(_document(found), indent=2))
    else:
        print("\n".join(_verdict(found)))
    return Exit.WELL if found.proven and not found.suspect else Exit.FAILED


def _public_key(path: Path) -> PublicKey:
    from daemon.store.signing import PublicKey, UnusableKey

    try:
        return PublicKey.from_pem(path.read_text(encoding="ascii", errors="replace"))
    except UnusableKey as error:
        raise Failure(f"{path} {error}.", Exit.USAGE) from None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror or error}.", Exit.USAGE) from None


def _found(args: argparse.Namespace, keys: list[PublicKey]) -> _Found:
    from daemon.store.proving import anchor_doubt

    path: Path = args.export if args.export is not None else database(args)
    lines = None if args.checkpoints is None else _lines(args.checkpoints)
    if args.export is not None:
        report = _exported(path)
        told = None if lines is None else _beside_export(path, report, lines, keys)
    else:
        with readable():
            report, told = _in_database(path, lines, keys, jobs=args.jobs)
    doubt = anchor_doubt(report, keys)
    signed = None if report.anchor is None or not keys else not doubt
    return _Found(path=path, report=report, checkpoints=told, doubt=doubt, anchor_signed=signed)


def _in_database(
    path: Path, lines: list[str] | None, keys: list[PublicKey], *, jobs: int
) -> tuple[ChainReport, list[Judged] | None]:
    """Both about one view of the trail: done anew when something was pruned in between."""
    from daemon.store.audit import anchor_of_file
    from daemon.store.ranges import verify_in_ranges

    while True:
        report = verify_in_ranges(path, jobs=jobs)
        told = None if lines is None else _beside_database(path, report, lines, keys)
        if told is None or not report.intact or anchor_of_file(path) == report.anchor:
            return report, told


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror or error}.", Exit.USAGE) from None


def _exported(path: Path) -> ChainReport:
    from daemon.store.audit import verify_export

    try:
        # What is no UTF-8 is no record either: the verdict names the line.
        with path.open(encoding="utf-8", errors="replace") as lines:
            return verify_export(lines)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror or error}.", Exit.USAGE) from None


def _beside_export(path: Path, report: ChainReport, lines: list[str], keys: Iterable[PublicKey]) -> list[Judged]:
    from daemon.store.proving import hashes_in_export, judged

    with path.open(encoding="utf-8", errors="replace") as exported:
        found, restored = hashes_in_export(exported, _numbers(lines))
    return judged(lines, report, hash_at=found.get, keys=keys, restored=restored)


def _beside_database(path: Path, report: ChainReport, lines: list[str], keys: Iterable[PublicKey]) -> list[Judged]:
    from daemon.store.proving import FileHashes, judged

    hashes = FileHashes(path)
    found = hashes.within(_numbers(lines))
    return judged(lines, report, hash_at=found.get, keys=keys, restored=hashes.restored)


def _numbers(lines: list[str]) -> Iterator[int]:
    from daemon.store.checkpoints import entries

    return (entry.seal.seq for entry in entries(lines) if entry.seal is not None)


def _document(found: _Found) -> dict[str, Any]:
    told = None if found.checkpoints is None else [asdict(one) for one in found.checkpoints]
    more = {"checkpoints": told, "anchor_signed": found.anchor_signed, "doubt": found.doubt}
    told_of_chain = asdict(found.report)
    del told_of_chain["signer"]  # of the daemon, which knows its own key; here `anchor_signed` says it
    return {**told_of_chain, **more}


def _verdict(found: _Found) -> Iterator[str]:
    palette = Palette()
    report = found.report
    if report.intact:
        span = f", {report.first} to {report.last}" if report.records else ""
        yield palette.paint(f"Intact: {counted(report.records, 'record')}{span}.", "green")
        yield f"  Head: {report.head}"
    else:
        yield palette.paint(f"Broken at record {report.broken_at}: {plain(report.reason)}.", "red")
        yield f"  The {counted(report.records, 'record')} before it are as they were written."
    yield from _anchor(found, palette)
    yield from _checkpoints(found, palette)
    if found.suspect:
        yield f"  Keep {found.path} as it is, as evidence, and find out who could write to it."


def _anchor(found: _Found, palette: Palette) -> Iterator[str]:
    anchor = found.report.anchor
    if anchor is not None:
        signed = {True: ", which fits the public key", False: "", None: "; --public-key FILE proves that"}
        said = f"  The records up to {anchor.seq} were pruned on {plain(anchor.at[:10])}"
        yield f"{said}, signed by {plain(anchor.key)}{signed[found.anchor_signed]}."
    if found.doubt:
        yield palette.paint(f"  Not to be trusted: {plain(found.doubt)}.", "red")


def _checkpoints(found: _Found, palette: Palette) -> Iterator[str]:
    told = found.checkpoints
    if told is None:
        if found.report.intact:
            yield "  Note the head elsewhere, or use checkpoints: it shows a trail that was cut off or rewritten whole."
        return
    wrong = [one for one in told if not one.fine]
    yield from _counted(told, found, palette)
    for one in wrong[:_SHOWN]:
        yield palette.paint(f"  Checkpoint in line {one.line}: {one.verdict}: {plain(one.text)}.", "red")
    if len(wrong) > _SHOWN:
        yield palette.paint(f"  And {len(wrong) - _SHOWN} more; --json lists all of them.", "red")


def _counted(told: list[Judged], found: _Found, palette: Palette) -> Iterator[str]:
    """How many say what; only one that fits proves anything."""
    if not any(one.seq is not None for one in told):
        yield palette.paint("  There is no checkpoint in that file: it proves nothing.", "red")
        return
    numbers = {verdict: sum(one.verdict == verdict for one in told) for verdict in ("fits", "pruned", "torn")}
    before = numbers["pruned"] and not found.report.anchor
    pruned = "lie before its beginning" if before else "know only records that are not kept any more"
    fits = f"  {counted(numbers['fits'], 'checkpoint')} of {len(told)} fit"
    yield f"{fits}, {numbers['pruned']} {pruned}, {numbers['torn']} are torn."
    if not numbers["fits"]:
        yield palette.paint("  None of them proves anything about this trail.", "red")
