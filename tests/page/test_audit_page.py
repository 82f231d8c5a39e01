"""The audit page: the form, what it asks of the trail, and what it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import get_args

import pytest

from daemon.engine.operations import Caller
from daemon.ports import ExportFormat, Seal
from daemon.web.ui.audit_page import ROUTINE
from tests.page.browsing import Visitor
from tests.web.memory_engine import MemoryEngine

PAGE = "/sites/default/audit"


async def test_records_are_shown_newest_first_with_before_and_after(visitor: Visitor, engine: MemoryEngine) -> None:
    await engine.rebind("default", caller=Caller(actor="x"), reason="because")
    await engine.succeed("default")
    seen = await visitor.open(PAGE)
    assert seen.status == 200
    at = [seen.html.index(f'id="record-{record.seq}"') for record in reversed(engine.records)]
    assert at == sorted(at)
    assert "binding → bound" in seen.words
    assert engine.records[-1].hash in seen.html
    assert "<svg" in seen.html


async def test_the_form_narrows_and_is_kept(visitor: Visitor, engine: MemoryEngine) -> None:
    await engine.rebind("default", caller=Caller(actor="cli:root"), reason="because")
    seen = await visitor.open(f"{PAGE}?actor=cli:&event=bind_requested&since=2026-03-04T12:00&period=month")
    assert seen.html.count('<tr id="record-') == 1
    for value in ("cli:", "bind_requested", "2026-03-04T12:00"):
        assert f'value="{value}"' in seen.html
    html = unescape(seen.html)
    assert "format=jsonl&site=default&actor=cli%3A%2A&event=bind_requested&since=2026-03-04T12%3A00%3A00Z" in html
    assert (await visitor.open(f"{PAGE}?actor=nobody")).words.count("No record fits.") == 1


async def test_routine_checks_are_shown_to_who_asks_for_them(visitor: Visitor, engine: MemoryEngine) -> None:
    await engine.rebind("default", caller=Caller(actor="x"), reason="because")
    await engine.succeed("default")
    last = engine.records[-1]
    engine.records.extend(replace(last, seq=last.seq + 1 + number, event=ROUTINE[0]) for number in range(60))
    plain = await visitor.open(PAGE)
    assert "Routine checks that passed ( binding_verified ) are not shown here" in plain.words
    assert plain.html.count('<tr id="record-') == len(engine.records) - 60
    for query in ("routine=yes", "event=binding_verified"):
        asked = await visitor.open(f"{PAGE}?{query}")
        assert asked.html.count('<tr id="record-') == 50
        assert "are not shown here" not in asked.words
        assert f"?{query}&amp;before=" in asked.html
    whole = next(unescape(link) for link in _links(plain.html) if "format=jsonl" in link)
    assert (await visitor.open(whole)).html.count("binding_verified") == 60


async def test_what_is_found_is_exported_in_every_form(visitor: Visitor) -> None:
    seen = await visitor.open(f"{PAGE}?actor=cli:")
    addresses = re.findall(r'href="(/api/v1/audit/export[^"]*)" download', seen.html)
    forms = [re.search(r"format=(\w+)", address)[1] for address in addresses]  # type: ignore[index]
    assert tuple(forms) == get_args(ExportFormat)
    for address in map(unescape, addresses):
        assert (await visitor.open(address)).status == 200


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "until=2026-13-45", "before=x", "period=year", "before=-1", "since=0001-01-01T00:00%2B05:00"],
)
async def test_what_cannot_be_understood_narrows_nothing_and_is_told(visitor: Visitor, query: str) -> None:
    seen = await visitor.open(f"{PAGE}?{query}")
    assert seen.status == 200
    assert seen.html.count('<tr id="record-') == 1
    assert ("Write it as" in seen.words) is query.startswith(("since", "until"))


async def test_older_records_are_a_page_away(visitor: Visitor, engine: MemoryEngine) -> None:
    for number in range(60):
        await engine.rebind("default", caller=Caller(actor=f"caller-{number}"), reason="because")
    first = await visitor.open(PAGE)
    assert first.html.count('<tr id="record-') == 50
    address = unescape(first.html.split('rel="next" href="')[1].split('"')[0])
    second = await visitor.open(address)
    assert second.html.count('<tr id="record-') == len(engine.records) - 50
    assert 'rel="next"' not in second.html


async def test_where_a_pruned_trail_begins_is_told(visitor: Visitor, engine: MemoryEngine) -> None:
    anchor = Seal(kind="anchor", seq=7, hash="a" * 64, count=7, at="2026-03-04T11:00:00.000000Z", key="f" * 64)
    engine.chain_status = replace(engine.chain_status, anchor=anchor)
    seen = await visitor.open(PAGE)
    assert "The records up to 7 were pruned 2026-03-04 11:00" in seen.words
    assert f"their anchor says that it was signed by {'f' * 64}" in seen.words
    assert "which is not checked here." in seen.words
    engine.chain_status = replace(engine.chain_status, signer="other")
    assert "another key than checkpoint_key." in (await visitor.open(PAGE)).words
    engine.chain_status = replace(engine.chain_status, signer="own")
    assert f"their anchor is signed by checkpoint_key, {'f' * 64}" in (await visitor.open(PAGE)).words


async def test_a_broken_chain_is_told_with_what_to_do(visitor: Visitor, engine: MemoryEngine) -> None:
    engine.chain_status = replace(engine.chain_status, intact=False, broken_at=1, reason="its hash does not fit")
    seen = await visitor.open(PAGE)
    assert "The chain is broken at record 1" in seen.words
    assert "What to do:" in seen.words


async def test_every_export_that_is_offered_can_be_had(visitor: Visitor) -> None:
    """Also for a form that somebody filled in with nonsense."""
    for query in ("", "actor=a*b*&event=Bind_Failed,+1x+<b>", "all=yes", "since=2026-03-04T12:00&until=2027-01-01"):
        seen = await visitor.open(f"{PAGE}?{query}")
        for kind in ("jsonl", "csv"):
            address = next(link for link in _links(seen.html) if f"format={kind}" in link)
            assert (await visitor.open(address)).status == 200, address


def _links(html: str) -> list[str]:
    return [unescape(part.split('"')[0]) for part in html.split('href="')[1:]]
