"""The key, checkpoints by hand, and what `audit verify` says of a trail beside its checkpoints."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import ChainReport
from daemon.store import ranges
from daemon.store.checkpoints import append
from daemon.store.journal import SqliteJournal
from daemon.store.signing import line, seal_of
from tests.store.signing import Key, entry, fill, prune

Ask = Callable[..., Any]
PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A database with nine records of three days, a key made by hand, and a configuration that names all."""
    journal = SqliteJournal(tmp_path / "state" / "sitebind.db")
    await journal.open()
    await fill(journal, (3, 4, 2))
    await journal.close()
    (tmp_path / "config.ini").write_text(
        "[daemon]\ndatabase = state/sitebind.db\ncheckpoint_key = file:points.key\ncheckpoint_file = points.jsonl\n"
    )
    return tmp_path


@pytest.fixture
def sealed(folder: Path, sitebind: Ask) -> Path:
    """The same with one checkpoint, and the public key in a file."""
    made = sitebind("audit", "key", "--new", folder / "points.key")
    (folder / "public.pem").write_text(made.out)
    assert sitebind("audit", "checkpoint", "--config", folder / "config.ini").code == 0
    return folder


def verify(sitebind: Ask, folder: Path, *more: str | Path) -> Any:
    return sitebind(
        "audit", "verify", "--config", folder / "config.ini",
        "--checkpoints", folder / "points.jsonl", "--public-key", folder / "public.pem", *more,
    )  # fmt: skip


def cut(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "state" / "sitebind.db")) as db:
        db.execute("DROP TRIGGER audit_is_never_shortened")
        db.execute("DELETE FROM audit WHERE seq > 7")
        db.commit()


def test_a_key_is_made_once_and_its_public_half_is_printed(folder: Path, sitebind: Ask) -> None:
    path = folder / "points.key"
    made = sitebind("audit", "key", "--new", path)
    assert made.code == 0
    assert made.out.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert f"checkpoint_key = file:{path}" in made.err
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.read_text() not in made.out + made.err
    again = sitebind("audit", "key", "--new", path)
    assert (again.code, "no key is overwritten" in again.err) == (2, True)
    printed = sitebind("audit", "key", "--public", "--config", folder / "config.ini")
    assert printed.out == made.out
    told = json.loads(sitebind("audit", "key", "--public", "--json", "--config", folder / "config.ini").out)
    assert told["public_key"] == made.out
    assert f"fingerprint: {told['fingerprint']}\n" == printed.err


def test_without_a_key_it_is_said_how_one_is_made(folder: Path, sitebind: Ask) -> None:
    (folder / "config.ini").write_text("[daemon]\ndatabase = state/sitebind.db\n")
    for command in ("key", "--public"), ("checkpoint", "--output", folder / "x"):
        said = sitebind("audit", *command, "--config", folder / "config.ini")
        assert (said.code, "sitebind audit key --new PATH" in said.err) == (2, True)
    assert not (folder / "x").exists()
    said = sitebind("audit", "checkpoint", "--config", folder / "config.ini")
    assert (said.code, "checkpoint_file is not set" in said.err) == (2, True)


def test_a_key_of_another_kind_is_refused(folder: Path, sitebind: Ask) -> None:
    (folder / "points.key").unlink(missing_ok=True)
    command = ["openssl", "genpkey", "-algorithm", "ed448", "-out", folder / "points.key"]
    subprocess.run(command, check=True, capture_output=True)
    said = sitebind("audit", "key", "--public", "--config", folder / "config.ini")
    assert (said.code, "no private Ed25519 key" in said.err) == (2, True)


def test_a_key_that_cannot_be_made_is_said(folder: Path, sitebind: Ask) -> None:
    said = sitebind("audit", "key", "--new", folder / "nowhere" / "points.key")
    assert (said.code, "No such file or directory" in said.err) == (5, True)


def test_a_key_that_openssl_made_signs_too(folder: Path, sitebind: Ask) -> None:
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", folder / "points.key"]
    subprocess.run(command, check=True, capture_output=True)
    said = sitebind("audit", "checkpoint", "--json", "--config", folder / "config.ini")
    seal = seal_of(said.out)
    assert seal is not None
    assert (said.code, seal.seq, seal.count, (folder / "points.jsonl").read_text()) == (0, 9, 9, said.out)


def test_a_checkpoint_that_cannot_be_written_is_said(sealed: Path, sitebind: Ask) -> None:
    target = sealed / "nowhere" / "points.jsonl"
    said = sitebind("audit", "checkpoint", "--output", target, "--config", sealed / "config.ini")
    assert (said.code, f"{target} cannot be written: No such file or directory." in said.err) == (5, True)


def test_a_trail_as_its_checkpoints_know_it_is_well(sealed: Path, sitebind: Ask) -> None:
    said = verify(sitebind, sealed)
    assert said.code == 0
    assert "Intact: 9 records, 1 to 9.\n" in said.out
    assert "  1 checkpoint of 1 fit, 0 know only records that are not kept any more, 0 are torn.\n" in said.out
    assert "Keep" not in said.out


def test_a_cut_end_is_found_in_the_database_and_in_an_export(sealed: Path, sitebind: Ask) -> None:
    cut(sealed)
    alone = sitebind("audit", "verify", "--config", sealed / "config.ini")
    assert alone.code == 0, "without checkpoints nobody can know"
    said = verify(sitebind, sealed)
    assert said.code == 5
    assert "Checkpoint in line 1: cut: the checkpoint of " in said.out
    assert "knows record 9, the trail ends at 7" in said.out
    assert f"Keep {sealed}/state/sitebind.db as it is, as evidence" in said.out
    export = sealed / "export.jsonl"
    sitebind("audit", "export", "--output", export, "--config", sealed / "config.ini")
    again = verify(sitebind, sealed, "--export", export)
    assert (again.code, "cut: the checkpoint of" in again.out) == (5, True)
    told = json.loads(verify(sitebind, sealed, "--json").out)
    assert (told["intact"], [one["verdict"] for one in told["checkpoints"]]) == (True, ["cut"])


def test_checkpoints_without_a_key_prove_nothing(sealed: Path, sitebind: Ask) -> None:
    command = ("audit", "verify", "--config", sealed / "config.ini", "--checkpoints", sealed / "points.jsonl")
    said = sitebind(*command)
    assert (said.code, "--checkpoints needs --public-key FILE" in said.err) == (2, True)
    said = sitebind(*command, "--public-key", sealed / "points.jsonl")
    assert (said.code, "is no public Ed25519 key" in said.err) == (2, True)
    said = sitebind(*command, "--public-key", sealed / "nowhere")
    assert (said.code, "cannot be read: No such file" in said.err) == (2, True)


@pytest.mark.parametrize("content", ["", "\n", "torn{"])
def test_a_file_without_a_checkpoint_proves_nothing(sealed: Path, sitebind: Ask, content: str) -> None:
    (sealed / "points.jsonl").write_text(content)
    said = verify(sitebind, sealed)
    assert (said.code, "There is no checkpoint in that file" in said.out) == (5, True)
    (sealed / "points.jsonl").unlink()
    said = verify(sitebind, sealed)
    assert (said.code, "cannot be read: No such file" in said.err) == (2, True)


def test_many_that_do_not_fit_are_counted(sealed: Path, sitebind: Ask, tmp_path: Path) -> None:
    other = Key(tmp_path / "other.key")
    seal = seal_of((sealed / "points.jsonl").read_text())
    assert seal is not None
    for _ in range(12):
        append(sealed / "points.jsonl", other.signing.sealed(seal))
    said = verify(sitebind, sealed)
    assert (said.code, said.out.count(": foreign: "), "And 2 more; --json lists all" in said.out) == (5, 10, True)


async def pruned_by(folder: Path, key: Key, *, before: int = 2) -> None:
    journal = SqliteJournal(folder / "state" / "sitebind.db")
    await journal.open()
    assert await prune(journal, key, before=before) == {2: 7, 5: 9}[before]
    await journal.append(entry(6))
    await journal.close()


async def test_checkpoints_that_know_nothing_of_what_is_left_prove_nothing(sealed: Path, ask: Ask) -> None:
    """Neither of a pruned trail nor of an export that begins behind them; but nothing speaks against it."""
    key = Key(sealed / "second.key")
    (sealed / "second.pem").write_text(key.public.pem)
    await pruned_by(sealed, key, before=5)
    command = (
        "audit", "verify", "--config", sealed / "config.ini", "--checkpoints", sealed / "points.jsonl",
        "--public-key", sealed / "public.pem", "--public-key", sealed / "second.pem",
    )  # fmt: skip
    said = await ask(*command)
    assert (said.code, "1 know only records that are not kept any more" in said.out) == (5, True)
    assert "None of them proves anything about this trail." in said.out
    assert "as evidence" not in said.out
    export = sealed / "export.jsonl"
    await ask("audit", "export", "--output", export, "--config", sealed / "config.ini")
    export.write_text(export.read_text().splitlines()[-1])
    said = await ask(*command, "--export", export)
    assert (said.code, "0 checkpoints of 1 fit, 1 lie before its beginning" in said.out) == (5, True)


def test_a_pruning_between_the_walk_and_the_checkpoints_is_no_cut_end(
    sealed: Path, sitebind: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked = ranges.verify_in_ranges
    key = Key(sealed / "second.key")
    (sealed / "second.pem").write_text(key.public.pem)

    def overtaken(path: Path, *, jobs: int) -> ChainReport:
        report = walked(path, jobs=jobs)
        if report.anchor is None:
            asyncio.run(pruned_by(sealed, key, before=5))
        return report

    monkeypatch.setattr(ranges, "verify_in_ranges", overtaken)
    said = verify(sitebind, sealed, "--public-key", sealed / "second.pem")
    assert "cut" not in said.out
    assert "1 know only records that are not kept any more" in said.out


async def test_a_pruned_trail_says_where_it_begins_and_who_signed_that(sealed: Path, ask: Ask, tmp_path: Path) -> None:
    key = Key(tmp_path / "second.key")
    (tmp_path / "second.pem").write_text(key.public.pem)
    await pruned_by(sealed, key)
    config = ("--config", sealed / "config.ini")
    said = await ask("audit", "verify", *config)
    assert said.code == 0
    assert (
        f"The records up to 7 were pruned on 2030-01-03, signed by {key.public.fingerprint}; --public-key" in said.out
    )
    said = await ask("audit", "verify", *config, "--public-key", tmp_path / "second.pem")
    assert (said.code, f"signed by {key.public.fingerprint}, which fits the public key." in said.out) == (0, True)
    said = await ask("audit", "verify", *config, "--public-key", sealed / "public.pem")
    assert (said.code, "Not to be trusted: the records up to 7 were removed behind an anchor" in said.out) == (5, True)


async def test_an_export_of_a_pruned_trail_says_where_it_begins(sealed: Path, ask: Ask, tmp_path: Path) -> None:
    await pruned_by(sealed, Key(tmp_path / "second.key"))
    export, config = tmp_path / "export.jsonl", ("--config", sealed / "config.ini")
    words = "It begins with record 8: those before were pruned on 2030-01-03"
    said = await ask("audit", "export", "--output", export, *config)
    assert said.err == f"4 records written to {export}. {words}\n"
    assert (await ask("audit", "export", *config)).err == f"{words}\n"
    said = await ask("audit", "verify", "--export", export)
    assert "Intact: 4 records, 8 to 11.\n" in said.out
    assert "The records up to 7 were pruned on 2030-01-03" in said.out


# --- what docs/audit.md says ---------------------------------------------------------------------


def test_the_commands_of_the_page_prove_a_checkpoint_without_us(sealed: Path, sitebind: Ask) -> None:
    """And fail for a forged one: each is typed as it stands."""
    text = PAGE.read_text(encoding="utf-8")
    commands = re.search(r"^```sh\n(tail -n 1 .*?)^```$", text, re.MULTILINE | re.DOTALL)
    script = re.search(r"^```python verify\.py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert commands is not None
    assert script is not None
    (sealed / "verify.py").write_text(script[1])
    sitebind("audit", "export", "--output", sealed / "sitebind-audit.jsonl", "--config", sealed / "config.ini")
    (sealed / "public.pem").rename(sealed / "checkpoint-public.pem")
    points = sealed / "sitebind-checkpoints.jsonl"
    (sealed / "points.jsonl").rename(points)

    def typed() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-ec", commands[1]], cwd=sealed, capture_output=True, text=True, check=False)

    done = typed()
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout
    assert "INTACT: records 1 to 9, head " in done.stdout
    points.write_text(points.read_text().replace('"seq":9', '"seq":8'))
    assert typed().returncode != 0


def test_the_fingerprint_is_what_the_page_says(sealed: Path) -> None:
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", sealed / "public.pem", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    seal = seal_of((sealed / "points.jsonl").read_text())
    assert seal is not None
    assert hashlib.sha256(der).hexdigest() == seal.key
    assert line(seal) + "\n" == (sealed / "points.jsonl").read_text()


def test_every_verdict_stands_in_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for verdict in ("fits", "pruned", "torn", "cut", "rewritten", "forged", "foreign"):
        assert f"| `{verdict}` | " in text
