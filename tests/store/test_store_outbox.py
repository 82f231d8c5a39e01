"""The trail as it is sent on: bounded pages in every form, and a position that outlives the daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.audit_values import ForwardFormat
from daemon.ports import JournalUnavailable
from daemon.store import outbox
from daemon.store.audit import LINES
from daemon.store.journal import SqliteJournal
from daemon.store.outbox import SqliteOutbox, position_in
from tests.store import collectors
from tests.store.conftest import an_entry, tampering


@pytest.fixture
def box(journal: SqliteJournal) -> SqliteOutbox:
    return SqliteOutbox(journal, hostname="sync1.example.com")


async def all_of(box: SqliteOutbox, form: ForwardFormat) -> tuple[list[int], bytes]:
    """The end of each page, and everything."""
    ends, data, after = [], b"", 0
    while page := await box.page(form, after=after):
        after = page.last
        ends.append(after)
        data += page.data
    return ends, data


async def test_a_page_is_bounded_by_records_and_by_bytes(journal: SqliteJournal, box: SqliteOutbox) -> None:
    for number in range(1, 6):
        await journal.append(an_entry(detail={"n": number}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "MOST_RECORDS", 2)
        assert (await all_of(box, "syslog"))[0] == [2, 4, 5]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "LARGEST", 1)
        assert (await all_of(box, "jsonl"))[0] == [1, 2, 3, 4, 5]
    assert (await all_of(box, "ocsf"))[0] == [5]


async def test_each_form_is_framed_as_receivers_expect_it(journal: SqliteJournal, box: SqliteOutbox) -> None:
    """Syslog and CEF by their length, with this host's name; JSON by lines, as an export writes it."""
    await journal.append(an_entry(detail={"text": "über\nzwei Zeilen"}))
    await journal.append(an_entry(event="bind_failed", detail={}))
    records = await journal.audit()
    messages = collectors.octets((await all_of(box, "syslog"))[1])
    for message, record in zip(messages, records, strict=True):
        header, elements = collectors.syslog(message)
        assert (header["host"], header["msgid"]) == ("sync1.example.com", record.event)
        assert elements["sitebind@32473"]["hash"] == record.hash
    for message, record in zip(collectors.octets((await all_of(box, "cef"))[1]), records, strict=True):
        header, elements = collectors.syslog(message)
        assert (header["msgid"], elements) == (record.event, {})
        assert header["msg"] == LINES["cef"](record)
    for form in ("ocsf", "jsonl"):
        lines = (await all_of(box, form))[1].decode().splitlines()
        assert lines == [LINES[form](record) for record in records]


async def test_a_host_name_that_syslog_cannot_carry_is_written_as_it_can(journal: SqliteJournal) -> None:
    await journal.append(an_entry())
    page = await SqliteOutbox(journal, hostname="büro 1").page("syslog", after=0)
    assert page is not None
    assert collectors.syslog(collectors.octets(page.data)[0])[0]["host"] == "b_ro_1"


@pytest.mark.parametrize("form", ["syslog", "cef", "ocsf", "jsonl"])
async def test_a_damaged_record_is_sent_as_it_can_be_written(
    journal: SqliteJournal, box: SqliteOutbox, path: Path, *, form: ForwardFormat
) -> None:
    """It must not stand in the way of all that follow."""
    await journal.append(an_entry())
    await journal.append(an_entry())
    with tampering(path) as connection:
        connection.execute("UPDATE audit SET detail = ?, at = 'never' WHERE seq = 1", (r'{"a": "\ud800\n"}',))
    ends, data = await all_of(box, form)
    assert ends == [2]
    if form in {"ocsf", "jsonl"}:
        assert [type(json.loads(line)) for line in data.splitlines()] == [dict, dict]
    else:
        assert len([collectors.syslog(message) for message in collectors.octets(data)]) == 2


async def test_the_position_outlives_the_daemon(journal: SqliteJournal, box: SqliteOutbox, path: Path) -> None:
    await journal.append(an_entry())
    await journal.append(an_entry())
    assert await journal.read(position_in) is None
    assert await box.begin(now=False) == 0
    await box.keep(1)
    await box.keep(2)
    await journal.append(an_entry())
    await journal.close()
    await journal.open()
    assert await journal.read(position_in) == 2
    assert [await box.begin(now=now) for now in (False, True)] == [2, 2]
    assert (await box.page("jsonl", after=2)) is not None
    assert (await box.page("jsonl", after=3)) is None


async def test_a_beginning_with_now_is_kept_at_once(journal: SqliteJournal, box: SqliteOutbox) -> None:
    await journal.append(an_entry())
    assert await box.begin(now=True) == 1
    await journal.append(an_entry())
    assert await box.begin(now=True) == 1


async def test_a_position_fits_the_trail(journal: SqliteJournal, box: SqliteOutbox, path: Path) -> None:
    """Neither behind records that are no more, nor ahead of those that are to come."""
    for _ in range(5):
        await journal.append(an_entry())
    await box.keep(9)
    assert await box.begin(now=False) == 5
    await box.keep(0)
    with tampering(path) as connection:
        connection.execute("DELETE FROM audit WHERE seq <= 3")
    assert await box.begin(now=False) == 3


async def test_a_journal_that_refuses_is_told(journal: SqliteJournal, box: SqliteOutbox) -> None:
    await journal.close()
    for asked in (box.begin(now=False), box.keep(1), box.page("syslog", after=0)):
        with pytest.raises(JournalUnavailable):
            await asked
    assert box.last_seq == 0
