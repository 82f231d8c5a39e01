"""Sessions and forms: what a token is exchanged for, and what no other page can make a browser do."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from daemon.engine.operations import Caller
from daemon.engine.tokens import digest_of
from daemon.ports import Scope
from daemon.web.sessions import IDLE_SECONDS, LONGEST_SECONDS, Sessions
from tests.clock import ManualClock
from tests.page.browsing import Visitor
from tests.page.conftest import TOKEN, Visit
from tests.web.memory_engine import MemoryEngine


async def test_the_overview_is_open_on_loopback_and_offers_to_sign_in(visitor: Visitor) -> None:
    seen = await visitor.open("/")
    assert seen.status == 200
    assert "Sign in" in seen.words
    assert "Sign out" not in seen.words


async def test_a_token_is_exchanged_for_a_session_and_back(visitor: Visitor, engine: MemoryEngine) -> None:
    """Both are recorded with who it was."""
    seen = await visitor.sign_in(TOKEN)
    assert (seen.status, seen.path) == (200, "/")
    assert "signed in as token:api_token" in seen.words
    seen = await visitor.send("/sign-out")
    assert "Sign out" not in seen.words
    assert engine.access.journal.events() == ["signed_in", "signed_out"]
    assert all(entry.actor.startswith("token:api_token@") for entry in engine.access.journal.entries)


async def test_the_cookie_is_for_this_origin_and_no_script(visitor: Visitor) -> None:
    async with aiohttp.ClientSession() as session, session.get(visitor.url) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))


async def test_signing_in_gives_a_new_cookie(visitor: Visitor) -> None:
    """One that somebody planted before is worth nothing after."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        async with session.get(f"{visitor.url}/sign-in") as answer:
            first, html = next(iter(answer.cookies.values())), await answer.text()
        token = html.partition('name="form_token" value="')[2].partition('"')[0]
        async with session.post(
            f"{visitor.url}/sign-in",
            data={"form_token": token, "token": TOKEN},
            headers={"Cookie": f"{first.key}={first.value}"},
            allow_redirects=False,
        ) as answer:
            second = next(iter(answer.cookies.values()))
            assert answer.status == 303
    assert second.key == first.key
    assert second.value != first.value


async def test_a_wrong_token_is_told_at_the_field_and_recorded(visitor: Visitor, engine: MemoryEngine) -> None:
    seen = await visitor.sign_in("not-the-token")
    assert seen.status == 401
    assert "none that this daemon knows" in seen.words
    assert 'href="#token"' in seen.html
    assert "not-the-token" not in seen.html
    assert "call_refused" in engine.access.journal.events()


async def test_a_token_that_opens_no_page_gives_no_session(visitor: Visitor, engine: MemoryEngine) -> None:
    """Its session would be refused on every page, with nothing there to end it by."""
    _, secret = await engine.access.tokens.create(
        "prometheus", frozenset({Scope.METRICS}), lifetime=None, caller=Caller(actor="test")
    )
    seen = await visitor.sign_in(secret.reveal())
    assert (seen.status, "scope metrics alone" in seen.words) == (403, True)
    assert engine.access.journal.events().count("signed_in") == 0
    assert (await visitor.open("/")).status == 200


@pytest.mark.parametrize("next_", ["//evil.example", "/\\evil.example", "https://evil.example", "/\n/evil.example"])
async def test_nobody_is_led_elsewhere_after_signing_in(visitor: Visitor, next_: str) -> None:
    await visitor.open("/sign-in")
    seen = await visitor.send("/sign-in", token=TOKEN, next=next_)
    assert (seen.status, seen.path) == (200, "/")


async def test_who_signs_in_over_the_open_network_is_warned_that_the_token_is_seen(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the server itself nobody can listen, and there is nothing to warn about."""
    assert "not encrypted" not in (await visitor.open("/sign-in")).words
    monkeypatch.setattr("daemon.web.peer.is_loopback", lambda host: False)
    assert "This connection is not encrypted" in (await visitor.open("/sign-in")).words


async def test_a_form_that_we_did_not_make_is_refused(visitor: Visitor, engine: MemoryEngine) -> None:
    await visitor.open("/sign-in")
    seen = await visitor.send("/sign-in", forged=True, token=TOKEN)
    assert seen.status == 403
    assert "nothing was done" in seen.words
    assert "signed_in" not in engine.access.journal.events()


async def test_a_session_does_not_change_anything_through_the_api(visitor: Visitor) -> None:
    """There a cookie reads, and no more: the API's calls carry no token against forgery."""
    await visitor.sign_in(TOKEN)
    seen = await visitor.open("/api/v1/tokens")
    assert seen.status == 200
    async with visitor._session.post(f"{visitor.url}/api/v1/vault/rekey") as answer:
        assert answer.status == 401


async def test_a_session_ends_with_its_token(visitor: Visitor, engine: MemoryEngine) -> None:
    await visitor.sign_in(TOKEN)
    engine.token = None
    seen = await visitor.open("/")
    assert "Sign out" not in seen.words


async def test_who_needs_a_token_is_asked_for_it_and_sent_on(engine: MemoryEngine, visit: Visit) -> None:
    engine.settings = replace(engine.settings, require_token=True)
    visitor = await visit(engine)
    seen = await visitor.open("/?q=a+b")
    assert seen.path.startswith("/sign-in?next=")
    assert 'value="/?q=a+b"' in seen.html


async def test_a_part_of_a_page_is_not_replaced_by_a_form_to_sign_in(engine: MemoryEngine, visit: Visit) -> None:
    """A page that follows by itself must not follow a redirect: it would put nothing in the place of what it shows."""
    engine.settings = replace(engine.settings, require_token=True)
    visitor = await visit(engine)
    seen = await visitor.open("/sites/default/bind", headers={"HX-Request": "true"}, allow_redirects=False)
    assert seen.status in (401, 403)


async def test_an_address_that_does_not_exist_is_a_page_for_people(visitor: Visitor) -> None:
    seen = await visitor.open("/nowhere", headers={"Accept": "text/html"})
    assert seen.status == 404
    assert "<h1>Not found</h1>" in seen.html
    seen = await visitor.open("/api/v1/nowhere", headers={"Accept": "text/html"})
    assert seen.html.startswith("{")


async def test_a_link_on_another_site_opens_the_page_and_sends_nothing(visitor: Visitor) -> None:
    follows = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await visitor.open("/", headers=follows)).status == 200
    assert (await visitor.open("/", headers={**follows, "Sec-Fetch-Dest": "iframe"})).status == 403
    assert (await visitor.open("/api/v1/sites", headers=follows)).status == 403


async def test_sessions_end_after_an_hour_unused_and_after_eight_in_any_case(clock: ManualClock) -> None:
    sessions = Sessions(clock)
    value = sessions.begin(digest_of("t"))
    await clock.advance(IDLE_SECONDS - 1)
    assert sessions.digest_of(value, active=False) == digest_of("t")
    await clock.advance(2)
    assert sessions.digest_of(value, active=False) is None
    value, began = sessions.begin(digest_of("t")), clock.monotonic()
    while clock.monotonic() - began < LONGEST_SECONDS:
        assert sessions.digest_of(value, active=True) is not None
        await clock.advance(IDLE_SECONDS - 1)
    assert sessions.digest_of(value, active=True) is None


async def test_the_least_used_session_makes_room(clock: ManualClock) -> None:
    sessions = Sessions(clock)
    first = sessions.begin("first")
    for number in range(1000):
        await clock.advance(0.001)
        sessions.begin(str(number))
    assert sessions.digest_of(first, active=True) is None


async def test_who_leaves_is_out_also_where_it_cannot_be_recorded(visitor: Visitor, engine: MemoryEngine) -> None:
    await visitor.sign_in(TOKEN)
    engine.access.journal.down = True
    seen = await visitor.send("/sign-out")
    assert seen.status == 200
    assert "Sign out" not in seen.words


async def test_who_is_refused_is_known_on_the_page_and_in_the_trail(visitor: Visitor, engine: MemoryEngine) -> None:
    """A reader who sends what only administrators may: still signed in, and named."""
    _, secret = await engine.access.tokens.create(
        "reader", frozenset({Scope.READ}), lifetime=None, caller=Caller(actor="test")
    )
    await visitor.sign_in(secret.reveal())
    seen = await visitor.send("/sites/default/unbind")
    assert (seen.status, "Sign out" in seen.words, ">Sign in</a>" in seen.html) == (403, True, False)
    refused = engine.access.journal.entries[-1]
    assert (refused.event, refused.actor.startswith("token:reader(")) == ("call_refused", True)
