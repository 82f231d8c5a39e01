"""`sitebind audit export` for collectors, and the auditor's own script as docs/audit.md prints it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import JournalEntry
from daemon.store.audit import LINES
from daemon.store.audit_ocsf import AT_THE_PAGE, AT_THE_SERVICE, OF_THE_API, OF_TOKENS
from daemon.store.journal import SqliteJournal
from tests.store import collectors

Ask = Callable[..., Any]
PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """Four records, one with everything that a caller may send."""
    path = tmp_path / "sitebind.db"
    journal = SqliteJournal(path)
    await journal.open()
    for number, event in enumerate(("config_accepted", "bind_requested", "bind_succeeded", "token_created"), start=1):
        await journal.append(
            JournalEntry(
                at=datetime(2026, 11, 23, 12, number, tzinfo=UTC),
                site="default",
                actor='http:127.0.0.1"]|=',
                event=event,
                before="configured",
                after="binding",
                request_id=f"r-{number}",
                detail={"reason": "Zoë\n said\u2028 so \ufffd", "nested": {"b": [1, True, None], "a": "€"}},
            )
        )
    await journal.close()
    return path


@pytest.mark.parametrize("form", ["syslog", "cef", "ocsf"])
def test_every_record_is_a_line(database: Path, sitebind: Ask, form: str) -> None:
    said = sitebind("audit", "export", "--format", form, "--database", database)
    lines = said.out.removesuffix("\n").split("\n")
    read = {
        "syslog": lambda line: collectors.syslog(line)[1]["sitebind@32473"]["seq"],
        "cef": lambda line: collectors.cef(line)[1]["externalId"],
        "ocsf": lambda line: str(json.loads(line)["metadata"]["sequence"]),
    }[form]
    assert (said.code, [read(line) for line in lines]) == (0, ["1", "2", "3", "4"])


def test_a_stream_for_tcp_counts_octets(database: Path, tmp_path: Path, sitebind: Ask) -> None:
    """On standard output and in a file alike."""
    said = sitebind("audit", "export", "--format", "syslog", "--octet-counting", "--database", database)
    target = tmp_path / "stream"
    arguments = ("--octet-counting", "--output", target, "--database", database)
    assert sitebind("audit", "export", "--format", "syslog", *arguments).err == f"4 records written to {target}\n"
    assert said.out.encode() == target.read_bytes()
    messages = collectors.octets(target.read_bytes())
    assert [collectors.syslog(message)[0]["msgid"] for message in messages][2:] == ["bind_succeeded", "token_created"]


def test_counting_octets_of_anything_else_is_wrong_usage(database: Path, sitebind: Ask) -> None:
    said = sitebind("audit", "export", "--octet-counting", "--database", database)
    assert (said.code, "add --format syslog" in said.err) == (2, True)


# --- what docs/audit.md says ---------------------------------------------------------------------


def script() -> str:
    found = re.search(r"^```python verify\.py\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def verify(database: Path, tmp_path: Path, sitebind: Ask) -> Callable[..., tuple[int, str]]:
    """The auditor's script over the export, changed as the test says."""
    # Not splitlines: a record may hold a line separator of Unicode.
    text = sitebind("audit", "export", "--database", database).out
    export = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
    (tmp_path / "verify.py").write_text(script())

    def run(change: Callable[[list[str]], list[str]] = lambda lines: lines, head: str = "") -> tuple[int, str]:
        (tmp_path / "export.jsonl").write_text("".join(change(list(export))))
        command = [sys.executable, "-I", str(tmp_path / "verify.py"), str(tmp_path / "export.jsonl"), *head.split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    return run


def head_of(database: Path, sitebind: Ask) -> str:
    head: str = json.loads(sitebind("audit", "verify", "--json", "--database", database).out)["head"]
    return head


def test_the_auditors_script_is_as_long_as_is_promised() -> None:
    assert len(script().splitlines()) <= 30


def test_the_auditors_script_agrees_with_ours(database: Path, sitebind: Ask, verify: Any) -> None:
    head = head_of(database, sitebind)
    assert verify(head=head) == (0, f"INTACT: records 1 to 4, head {head}")
    assert verify(lambda lines: lines[2:], head=head) == (0, f"INTACT: records 3 to 4, head {head}")


@pytest.mark.parametrize(
    "change, verdict",
    [
        (lambda lines: [lines[0], lines[1].replace("r-2", "r-7"), *lines[2:]], "record 2 was edited"),
        (lambda lines: [lines[0], *lines[2:]], "record 3 does not follow"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "record 1 does not follow"),
        (lambda lines: [*lines[:2], "{}\n"], "line 3 is not a record"),
        (lambda lines: [*lines[:2], "[1]\n"], "line 3 is not a record"),
        (lambda lines: [*lines[:3], lines[3][:40]], "line 4 is not a record"),
        (lambda lines: lines[:3], "the end was cut off"),
        (lambda lines: [], "it is empty"),
    ],
)
def test_the_auditors_script_finds(database: Path, sitebind: Ask, verify: Any, change: Any, verdict: str) -> None:
    """An edit, a deletion, a reorder, what is no record, and a cut tail."""
    code, said = verify(change, head=head_of(database, sitebind))
    assert (code, said.startswith("BROKEN: "), verdict in said) == (1, True, True), said


def test_the_page_names_every_format_and_every_event_that_has_a_class() -> None:
    text = PAGE.read_text()
    named = [*LINES, *AT_THE_SERVICE, *AT_THE_PAGE, *OF_TOKENS, *OF_THE_API]
    assert [name for name in named if f"`{name}`" not in text] == []
