"""`GET …/resolve` over the real engine and the sandbox's Microsoft 365: objects, members, near misses, memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.sandbox import Sandbox, tenant
from daemon.sandbox.tenant import Group, Person
from states import State
from tests.clock import ManualClock
from tests.running import Running, microsoft_options, running, site_options, write
from tests.web.described import DescribedClient, agrees_in_lines

PATH = "/api/v1/sites/default/resolve"


def options(sandbox: Sandbox, **directory: str) -> dict[str, dict[str, str]]:
    return {**site_options(sandbox), "account": microsoft_options(sandbox), "directory": directory}


@pytest.fixture
async def site(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> AsyncIterator[Running]:
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        yield run


async def resolved(run: Running, query: str, *, status: int = 200) -> dict[str, Any]:
    found = await run.asked("GET", f"{PATH}?{query}", status=status)
    assert isinstance(found, dict)
    return found


async def test_an_address_of_any_kind_leads_to_its_object(site: Running) -> None:
    """Primary, alias, in any spelling; with where the answer came from and how long it took."""
    found = await resolved(site, "address=ADA@example.test")
    assert found["object"] == {
        "kind": "user",
        "id": tenant.identity(tenant.DEMO_PROBE),
        "display_name": "Ada Lovelace",
        "primary_address": tenant.DEMO_PROBE,
        "addresses": [tenant.DEMO_PROBE, "ada@example.test", "countess@example.test"],
        "enabled": True,
        "licensed": True,
        "mail_enabled": True,
        "source": "graph:localhost",
    }
    assert found["source"] == found["object"]["source"]
    assert (found["members"], found["age_seconds"], found["reasons"]) == (None, 0.0, [])


async def test_a_nested_group_with_a_circle_lists_each_member_once(site: Running) -> None:
    """Disabled and unlicensed people are in the list, and marked."""
    found = await resolved(site, "group=All%20Staff&members=yes")
    members = {member["primary_address"]: member for member in found["members"]}
    assert sorted(members) == [
        "ada.lovelace@example.test",
        "edsger.dijkstra@example.test",
        "grace.hopper@example.test",
        "left.company@example.test",
        "no.licence@example.test",
        "partner@partner.test",
        "zoe.muller@example.test",
    ]
    assert len(found["members"]) == len(members)
    assert members["left.company@example.test"]["enabled"] is False
    assert members["no.licence@example.test"]["licensed"] is False
    assert members["partner@partner.test"]["kind"] == "contact"


async def test_what_is_not_found_comes_with_near_misses_and_reasons(site: Running) -> None:
    """A slip of the finger is shown what it may have meant."""
    found = await resolved(site, "address=grace.hoper@example.test")
    assert (found["object"], found["objects"]) == (None, [])
    assert "grace.hopper@example.test" in [item["primary_address"] for item in found["near"]]
    assert found["source"].startswith("graph:")


@pytest.mark.parametrize(
    "group, words",
    [
        ("Empty%20Group", "nobody is in it"),
        ("Useless", "each of them is disabled, without a licence, or without a mail address"),
    ],
)
async def test_a_group_that_exists_may_resolve_to_nothing(site: Running, group: str, words: str) -> None:
    """And why."""
    members = ("left.company@example.test", "no.licence@example.test")
    site.sandbox.world.tenant.add(Group(name="Useless", address="useless@example.test", members=members))
    found = await resolved(site, f"group={group}&members=yes")
    assert found["object"]["kind"] == "group"
    assert any(words in reason for reason in found["reasons"])


async def test_an_answer_is_remembered_for_a_while_and_says_its_age(site: Running) -> None:
    """An hour by default, as the original; `fresh` asks anew, and a changed directory forgets."""
    await resolved(site, "address=ada@example.test")
    calls = site.sandbox.calls["graph"]
    await site.manual.advance(600)
    again = await resolved(site, "address=Ada@example.test")
    assert (again["age_seconds"], site.sandbox.calls["graph"]) == (600.0, calls)
    fresh = await resolved(site, "address=ada@example.test&fresh=yes")
    assert fresh["age_seconds"] == 0.0
    assert site.sandbox.calls["graph"] > calls
    calls = site.sandbox.calls["graph"]
    await site.manual.advance(3600)
    assert (await resolved(site, "address=ada@example.test"))["age_seconds"] == 0.0
    assert site.sandbox.calls["graph"] > calls


async def test_a_changed_directory_section_forgets_what_was_remembered(site: Running) -> None:
    """Without a rebind."""
    await resolved(site, "address=ada@example.test")
    write(site.path, options(site.sandbox, domains="other.test"))
    await site.asked("POST", "/-/reload")
    found = await resolved(site, "address=ada@example.test")
    assert (found["object"], found["age_seconds"]) == (None, 0.0)
    assert any("domains" in reason for reason in found["reasons"])


async def test_a_rotated_secret_forgets_what_was_remembered(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Also where the file that names it stays as it is: its value counts, and not the place where it lies."""
    secret = tmp_path / "graph-secret"
    secret.write_text(tenant.DEMO_GRAPH_SECRET)
    secret.chmod(0o600)
    sections = options(sandbox)
    sections["account"]["client_secret"] = f"file:{secret}"
    async with running(write(tmp_path / "config.ini", sections), sandbox, clock) as run:
        await run.reach(State.BOUND)
        await resolved(run, "address=ada@example.test")
        await clock.advance(60)
        assert (await resolved(run, "address=ada@example.test"))["age_seconds"] == 60.0
        secret.write_text("another-secret")
        found = await resolved(run, "address=ada@example.test", status=502)
        assert (found["fault"], "another-secret" in str(found)) == ("client-secret-refused", False)


async def test_what_was_not_found_is_remembered_for_a_minute_only(site: Running) -> None:
    """Whoever was told so goes and makes it."""
    wanted = "address=new.hire@example.test"
    assert (await resolved(site, wanted))["object"] is None
    await site.manual.advance(59)
    assert (await resolved(site, wanted))["age_seconds"] == 59.0
    site.sandbox.world.tenant.add(Person(address="new.hire@example.test", display_name="New Hire"))
    await site.manual.advance(1)
    assert (await resolved(site, wanted))["object"]["display_name"] == "New Hire"


@pytest.mark.parametrize(
    "query, words",
    [
        ("address=ada@example.test", "it is a user, which has no members: only a group has"),
        ("group=partner@partner.test", "it is a contact, not a group"),
    ],
)
async def test_the_members_of_what_is_no_group_are_said_to_be_none(site: Running, query: str, words: str) -> None:
    """Not passed over in silence."""
    found = await resolved(site, f"{query}&members=yes")
    assert (found["members"], words in found["reasons"]) == (None, True), found["reasons"]


async def in_lines(run: Running, query: str) -> list[dict[str, Any]]:
    """The answer as one line after the other."""
    headers = {"Accept": "application/x-ndjson"}
    async with run.http.get(f"{run.daemon.web.url}{PATH}?{query}", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson"), await answer.text()
        lines = [json.loads(line) async for line in answer.content]
        agrees_in_lines("GET", PATH, answer, lines)
        return lines


async def test_members_come_line_by_line_where_that_is_accepted(site: Running) -> None:
    """The object first, then each member, then what only the end can tell; the same as in one piece."""
    whole = await resolved(site, "group=All%20Staff&members=yes")
    for query in ("group=All%20Staff&members=yes&fresh=yes", "group=All%20Staff&members=yes"):
        first, *members, last = await in_lines(site, query)
        assert first["resolution"]["object"] == whole["object"]
        assert first["resolution"]["members"] == []
        assert [line["member"] for line in members] == whole["members"]
        end = {"members": 7, "truncated": False, "reasons": whole["reasons"], "seconds": last["end"]["seconds"]}
        assert last == {"end": end}


async def test_what_came_line_by_line_is_remembered_too(site: Running) -> None:
    """Either way of asking is answered from it."""
    await in_lines(site, "group=All%20Staff&members=yes")
    calls = site.sandbox.calls["graph"]
    await site.manual.advance(60)
    assert (await resolved(site, "group=All%20Staff&members=yes"))["age_seconds"] == 60.0
    first, *_ = await in_lines(site, "group=All%20Staff&members=yes")
    assert (first["resolution"]["age_seconds"], site.sandbox.calls["graph"]) == (60.0, calls)


async def test_lines_without_members_are_two(site: Running) -> None:
    """Nothing was asked for, or there is no group."""
    for query in ("address=ada@example.test", "address=nobody@example.test&members=yes"):
        first, last = await in_lines(site, query)
        assert (first["resolution"]["members"], last["end"]["members"]) == (None, None)


async def test_a_cap_is_said_at_the_end_of_the_lines(site: Running) -> None:
    """And ends them."""
    write(site.path, options(site.sandbox, members_limit="2"))
    await site.asked("POST", "/-/reload")
    lines = await in_lines(site, "group=All%20Staff&members=yes")
    assert len(lines) == 4
    assert (lines[-1]["end"]["members"], lines[-1]["end"]["truncated"]) == (2, True)


async def test_a_directory_that_fails_before_the_first_line_is_told_as_ever(site: Running) -> None:
    """Only what fails later has to be a line."""
    site.sandbox.script.start("reset", endpoint="graph")
    headers = {"Accept": "application/x-ndjson"}
    url = f"{site.daemon.web.url}{PATH}?group=Nobody&members=yes"
    async with site.http.get(url, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (503, "application/problem+json")


async def test_a_cap_on_members_is_said(site: Running) -> None:
    """The list ends there, and says that it does."""
    write(site.path, options(site.sandbox, members_limit="2"))
    await site.asked("POST", "/-/reload")
    found = await resolved(site, "group=All%20Staff&members=yes")
    assert (len(found["members"]), found["truncated"]) == (2, True)
    write(site.path, options(site.sandbox, members_limit="7"))
    await site.asked("POST", "/-/reload")
    found = await resolved(site, "group=All%20Staff&members=yes")
    assert (len(found["members"]), found["truncated"]) == (7, False)


@pytest.mark.parametrize(
    "query, field",
    [
        ("", "address"),
        ("address=a@example.test&group=b", "address"),
        ("address=", "address"),
        ("group=%00", "group"),
        ("group=" + "x" * 1025, "group"),
        ("group=x&members=perhaps", "members"),
        ("who=a@example.test", "who"),
        ("address=a@example.test&address=b@example.test", "address"),
        ("group=a&members=yes&members=no", "members"),
        ("address=%FF@example.test", "address"),
        ("group=M%FCller", "group"),
        ("group=a&%FF=b", "\ufffd"),
        ("group=a&fresh=%FF", "fresh"),
    ],
)
async def test_a_bad_query_is_named(site: Running, query: str, field: str) -> None:
    found = await resolved(site, query, status=400)
    assert (found["code"], found["field"]) == ("bad-query", field)


async def test_a_directory_that_fails_is_told_with_the_remedy(site: Running) -> None:
    """502 for what somebody must mend."""
    await site.manual.advance(7200)  # the token has run out
    site.sandbox.script.start("missing-consent")
    site.sandbox.world.tenant.registrations.clear()
    found = await resolved(site, "address=grace@example.test&fresh=yes", status=502)
    assert found["code"] == "directory-failed"
    assert found["remedy"]
    assert tenant.DEMO_GRAPH_SECRET not in str(found)


async def test_a_directory_that_is_busy_says_when_to_come_again(site: Running) -> None:
    """503 with Retry-After for what heals by itself."""
    site.sandbox.script.start("reset", endpoint="graph")
    async with site.http.get(f"{site.daemon.web.url}{PATH}?address=grace@example.test") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert (await answer.json(content_type=None))["fault"] == "connection-lost"


async def test_a_site_without_a_directory_says_what_to_set(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """409, and the name of the option."""
    path = write(tmp_path / "config.ini", site_options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        found = await resolved(run, "address=a@example.test", status=409)
        assert (found["code"], "[directory] user" in found["detail"]) == ("directory-not-configured", True)
        await run.asked("GET", "/api/v1/sites/nobody/resolve?address=a@example.test", status=404)


async def test_every_answer_is_as_described(site: Running) -> None:
    """By openapi.yaml."""
    client = DescribedClient(site.http, site.daemon.web.url)
    for query in ("address=ada@example.test", "group=All%20Staff&members=yes", "address=nobody@example.test"):
        assert (await client.get(f"{PATH}?{query}")).status == 200
    assert (await client.get(PATH)).status == 400
    site.sandbox.script.start("missing-consent")
    site.sandbox.world.tenant.registrations.clear()
    await site.manual.advance(7200)
    assert (await client.get(f"{PATH}?address=grace@example.test")).status == 502
