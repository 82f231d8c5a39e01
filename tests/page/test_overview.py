"""The overview: of one site, of none, and of a thousand."""

from __future__ import annotations

import re

import pytest

from daemon.engine.operations import Caller
from states import Fault
from tests.page.browsing import Visitor
from tests.page.conftest import Visit
from tests.web.memory_engine import MemoryEngine


async def test_without_a_site_it_says_what_to_do(visit: Visit) -> None:
    seen = await (await visit(MemoryEngine())).open("/")
    assert "No site is configured yet" in seen.words


async def test_a_thousand_sites_come_a_page_at_a_time(visit: Visit) -> None:
    visitor = await visit(MemoryEngine(*(f"site-{number:04}" for number in range(1000))))
    seen = await visitor.open("/")
    assert seen.html.count('scope="row"') == 50
    assert "1000 sites, page 1 of 20" in seen.words
    assert 'rel="next" href="/?page=2"' in seen.html
    seen = await visitor.open("/?page=20")
    assert "site-0999" in seen.words
    assert 'rel="next"' not in seen.html
    assert "page 20 of 20" in (await visitor.open("/?page=999999")).words


async def test_the_overview_follows_the_counters_and_not_every_site(visit: Visit) -> None:
    """A thousand sites, told one by one at each visit, were a megabyte."""
    seen = await (await visit(MemoryEngine("default"))).open("/")
    assert 'sse-connect="/api/v1/events?only=counters"' in seen.html
    assert 'hx-trigger="sse:counters, every 60s, resync' in seen.html


@pytest.mark.parametrize("page", ["0", "-1", "x", "1e9", "٣", "99999999999999999999"])
async def test_a_page_that_makes_no_sense_is_the_first(visitor: Visitor, page: str) -> None:
    assert "1 site" in (await visitor.open(f"/?page={page}")).words


async def test_sites_are_searched_by_every_name_and_filtered_by_state(visit: Visit) -> None:
    engine = MemoryEngine("berlin", "paris", "rome")
    await engine.rebind("berlin", caller=Caller(actor="x"), reason="because")
    await engine.succeed("berlin")
    await engine.rebind("paris", caller=Caller(actor="x"), reason="because")
    await engine.fail("paris", Fault.UNREACHABLE)
    visitor = await visit(engine)

    async def found(query: str) -> list[str]:
        return re.findall(r'href="/sites/(\w+)/bind"', (await visitor.open(f"/?{query}")).html)

    assert await found("q=rom") == ["rome"]
    assert await found("q=M%C3%BCLLER+eu") == ["berlin"]  # the company, whatever the case, and the region
    assert await found("state=failed") == ["paris"]
    assert await found("state=bound&q=paris") == []
    assert await found("state=trouble") == ["paris", "rome"]  # rome: nobody binds it by itself
    assert await found("state=nonsense") == ["berlin", "paris", "rome"]


async def test_the_search_is_kept_from_page_to_page(visit: Visit) -> None:
    visitor = await visit(MemoryEngine(*(f"site-{number:04}" for number in range(200))))
    seen = await visitor.open("/?q=site&state=configured")
    assert 'rel="next" href="/?q=site&amp;state=configured&amp;page=2"' in seen.html
