"""Calls to Graph: pages, waits, batches and tokens, against the sandbox and a cloud that is told its answers."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import ProviderFault
from daemon.providers.graph import Ask, Graph
from daemon.providers.graph_answer import About, listed, one
from daemon.sandbox import Sandbox
from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import Tenant, crowd
from states import Fault
from tests.clock import ManualClock
from tests.contracts.cloud import assert_tells_no_secret
from tests.graph.conftest import Office
from tests.graph.scripted import TOKEN, Request, Respond, ScriptedCloud
from tests.providers.conftest import Authority, Servers, authority, servers

__all__ = ["authority", "servers"]

USERS = Ask(path="/users", about=About(what="the list of users"), query={"$select": "id", "$top": "999"})
SECRETS = {known.DEMO_GRAPH_SECRET, TOKEN}
Stage = Callable[[Respond], Awaitable[tuple[Office, ScriptedCloud]]]


@pytest.fixture
def stage(servers: Servers, authority: Authority, office_at: Callable[[str, Path], Office]) -> Stage:
    """Opens a scripted cloud and gives an office before it."""

    async def opened(respond: Respond) -> tuple[Office, ScriptedCloud]:
        cloud = ScriptedCloud(respond)
        port = await servers.open(cloud.handler(), authority.good())
        return office_at(f"https://localhost:{port}", authority.ca_file), cloud

    return opened


async def all_pages(graph: Graph, ask: Ask = USERS) -> list[list[dict[str, Any]]]:
    return [page async for page in graph.pages(ask)]


async def failed(office: Office, doing: Any) -> ProviderFault:
    with pytest.raises(ProviderFault) as caught:
        await office.in_time(doing)
    assert_tells_no_secret(caught.value, SECRETS)
    return caught.value


# --- pages -------------------------------------------------------------------------------------


async def test_pages_are_followed_verbatim_to_the_end(office: Office, tenant: Tenant, sandbox: Sandbox) -> None:
    """The sandbox refuses a link that was taken apart and put together again."""
    tenant.add(*crowd(100))
    tenant.page = 40
    pages = await all_pages(office.graph())
    assert [len(page) for page in pages] == [40, 40, len(tenant.people) - 80]
    assert sandbox.calls["graph"] == 3


async def test_an_empty_page_in_the_middle_is_no_end(stage: Stage) -> None:
    """There may be such."""

    def respond(request: Request) -> tuple[int, dict[str, str], Any]:
        base = f"https://{request.headers['host']}"
        if "skip" in request.target:
            return 200, {}, {"value": [{"id": "last"}]}
        return 200, {}, {"value": [], "@odata.nextLink": f"{base}/v1.0/users?$skiptoken=skip%2B%2Fme'"}

    office, cloud = await stage(respond)
    assert await all_pages(office.graph()) == [[], [{"id": "last"}]]
    assert cloud.seen[1].target == "/v1.0/users?$skiptoken=skip%2B%2Fme'"


@pytest.mark.parametrize(
    "link", ["https://elsewhere.test/v1.0/users", "http://{host}/v1.0/users", "https://{host}.elsewhere.test/", "x", 7]
)
async def test_no_token_follows_a_link_that_leads_away_from_graph(stage: Stage, link: Any) -> None:
    """Whoever forges an answer must not get the token."""

    def respond(request: Request) -> tuple[int, dict[str, str], Any]:
        named = link.format(host=request.headers["host"]) if isinstance(link, str) else link
        return 200, {}, {"value": [{"id": "one"}], "@odata.nextLink": named}

    office, cloud = await stage(respond)
    fault = await failed(office, all_pages(office.graph()))
    assert fault.fault is Fault.ANSWER_MALFORMED
    assert "which is not Graph" in fault.detail
    assert len(cloud.seen) == 1


async def test_pages_in_a_circle_end(stage: Stage) -> None:
    """A list must not go on for ever."""

    def respond(request: Request) -> tuple[int, dict[str, str], Any]:
        return 200, {}, {"value": [], "@odata.nextLink": f"https://{request.headers['host']}/v1.0/users?page=2"}

    office, cloud = await stage(respond)
    fault = await failed(office, all_pages(office.graph()))
    assert "given already" in fault.detail
    assert len(cloud.seen) == 2


@pytest.mark.parametrize("value", [None, {}, ["text"], [None], "text"])
async def test_a_list_of_another_shape_is_malformed(stage: Stage, value: Any) -> None:
    office, _ = await stage(lambda _: (200, {}, {"value": value}))
    assert (await failed(office, all_pages(office.graph()))).fault is Fault.ANSWER_MALFORMED


# --- waiting -----------------------------------------------------------------------------------


async def test_a_throttled_call_waits_as_long_as_it_is_asked(
    office: Office, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Then it goes on, in the middle of a list too."""
    sandbox.script.start("throttled", endpoint="graph", times=2, seconds=20.0)
    assert await office.in_time(all_pages(office.graph()))
    assert clock.monotonic() == 40.0


async def test_a_list_goes_on_from_the_page_that_was_throttled(
    office: Office, tenant: Tenant, sandbox: Sandbox, clock: ManualClock
) -> None:
    tenant.page = 3
    got: list[str] = []

    async def walk() -> None:
        async for page in office.graph().pages(USERS):
            got.extend(record["id"] for record in page)
            if len(got) == 3:
                sandbox.script.start("throttled", endpoint="graph", times=1, seconds=5.0)

    await office.in_time(walk())
    assert len(got) == len(set(got)) == len(tenant.people)
    assert clock.monotonic() == 5.0


async def test_without_a_time_named_the_waits_grow(office: Office, sandbox: Sandbox, clock: ManualClock) -> None:
    sandbox.script.start("service-error", endpoint="graph", times=4)
    await office.in_time(all_pages(office.graph()))
    assert clock.monotonic() == 1 + 2 + 4 + 8


@pytest.mark.parametrize("trouble, fault", [("throttled", Fault.THROTTLED), ("service-error", Fault.SERVICE_ERROR)])
async def test_patience_ends_and_names_when_to_come_back(
    office: Office, sandbox: Sandbox, clock: ManualClock, trouble: str, fault: Fault
) -> None:
    """The caller plans its retry; no call waits longer than it may."""
    seconds = {"seconds": 25.0} if trouble == "throttled" else {}
    sandbox.script.start(trouble, endpoint="graph", **seconds)  # type: ignore[arg-type]
    found = await failed(office, all_pages(office.graph()))
    assert found.fault is fault
    assert found.retry_after == (25.0 if trouble == "throttled" else 32.0)
    assert clock.monotonic() == (50.0 if trouble == "throttled" else 31.0)
    assert "were waited for it in this call" in found.detail


async def test_a_wait_that_is_too_long_is_not_begun(office: Office, sandbox: Sandbox, clock: ManualClock) -> None:
    sandbox.script.start("throttled", endpoint="graph", seconds=600.0)
    found = await failed(office, all_pages(office.graph()))
    assert (found.fault, found.retry_after, clock.monotonic()) == (Fault.THROTTLED, 600.0, 0.0)
    assert "it was not waited for" in found.detail


async def test_a_budget_that_is_known_to_be_spent_is_waited_for_without_a_call(
    office: Office, sandbox: Sandbox, clock: ManualClock
) -> None:
    """What one call learned holds for every other of the application."""
    sandbox.script.start("throttled", endpoint="graph", times=1, seconds=30.0)
    await failed(office, all_pages(office.graph(patience=0.0)))
    assert sandbox.calls["graph"] == 1
    await office.in_time(all_pages(office.graph()))
    assert (sandbox.calls["graph"], clock.monotonic()) == (2, 30.0)
    sandbox.script.start("throttled", endpoint="graph", times=1, seconds=30.0)
    await failed(office, all_pages(office.graph(patience=0.0)))
    assert (await failed(office, all_pages(office.graph(patience=0.0)))).fault is Fault.THROTTLED
    assert sandbox.calls["graph"] == 3


async def test_a_walk_of_members_gives_others_precedence(stage: Stage) -> None:
    """Advanced queries count, background ones say so."""
    office, cloud = await stage(lambda _: (200, {}, {"value": []}))
    ask = Ask(path="/groups/x/transitiveMembers", about=About(what="it"), eventual=True, background=True)
    await all_pages(office.graph(), ask)
    headers = cloud.seen[0].headers
    assert (headers["consistencylevel"], headers["x-ms-throttle-priority"]) == ("eventual", "Low")
    assert cloud.seen[0].target.endswith("?$count=true")


# --- batches -----------------------------------------------------------------------------------


async def test_a_batch_asks_again_only_what_was_throttled(office: Office, sandbox: Sandbox, clock: ManualClock) -> None:
    """Each call inside has its own answer; the longest wait is honoured."""
    sandbox.script.start("throttled", endpoint="graph", times=2, seconds=9.0)
    asks = [Ask(path=path, about=About(what=path), query={"$top": "1"}) for path in ("/users", "/groups", "/contacts")]
    replies = await office.in_time(office.graph().batch(asks))
    assert [len(listed(reply, ask.about)) for reply, ask in zip(replies, asks, strict=True)] == [1, 1, 1]
    assert clock.monotonic() == 9.0
    assert sandbox.calls["graph"] == 2


async def test_a_batch_asks_again_with_the_same_questions_only(stage: Stage) -> None:
    def respond(request: Request) -> tuple[int, dict[str, str], Any]:
        asked = request.json["requests"]
        first = len(asked) == 3
        responses = [
            {"id": one["id"], "status": 429, "headers": {"Retry-After": one["id"]}}
            if first and one["id"] != "0"
            else {"id": one["id"], "status": 200, "headers": {}, "body": {"value": [], "url": one["url"]}}
            for one in asked
        ]
        return 200, {}, {"responses": responses}

    office, cloud = await stage(respond)
    asks = [Ask(path=f"/{name}", about=About(what=name)) for name in ("a", "b", "c")]
    replies = await office.in_time(office.graph().batch(asks))
    assert [reply.json["url"] for reply in replies] == ["/a", "/b", "/c"]
    assert [one["id"] for one in cloud.seen[1].json["requests"]] == ["1", "2"]
    assert office.clock.monotonic() == 2.0


async def test_a_batch_that_stays_throttled_gives_what_it_has(office: Office, sandbox: Sandbox) -> None:
    """The caller sees which question it was."""
    sandbox.script.start("throttled", endpoint="graph", seconds=50.0)
    asks = [Ask(path=path, about=About(what=path)) for path in ("/users", "/groups")]
    replies = await office.in_time(office.graph().batch(asks))
    assert [(reply.status, reply.retry_after) for reply in replies] == [(429, 50.0)] * 2


async def test_a_single_question_needs_no_batch(stage: Stage) -> None:
    office, cloud = await stage(lambda _: (200, {}, {"value": []}))
    await office.graph().batch([USERS])
    assert (cloud.seen[0].method, cloud.seen[0].target) == ("GET", "/v1.0/users?$select=id&$top=999")


@pytest.mark.parametrize(
    "responses",
    [
        None,
        "text",
        [],
        ["text"],
        [{"id": "0", "status": 200}],
        [{"id": "0", "status": 200}, {"id": "x", "status": 200}],
        [{"id": "0", "status": 200}, {"id": "1", "status": "200"}],
    ],
)
async def test_a_batch_with_answers_missing_is_malformed(stage: Stage, responses: Any) -> None:
    office, _ = await stage(lambda _: (200, {}, {"responses": responses}))
    assert (await failed(office, office.graph().batch([USERS, USERS]))).fault is Fault.ANSWER_MALFORMED


# --- tokens ------------------------------------------------------------------------------------


async def test_a_token_that_is_not_taken_any_longer_is_replaced_once(
    office: Office, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Revoked, or the clocks differ: a dead token says nothing about the secret."""
    await all_pages(office.graph())
    await clock.advance(2_800)
    clock.jump(900)
    await all_pages(office.graph())
    assert sandbox.calls == {"identity": 2, "graph": 3}


async def test_a_fresh_token_that_is_refused_is_not_changed_for_ever(stage: Stage) -> None:
    """Then Graph and the identity platform are not of the same cloud."""
    error = {"error": {"code": "InvalidAuthenticationToken", "message": "Invalid audience."}}
    office, cloud = await stage(lambda _: (401, {}, error))
    first = await failed(office, all_pages(office.graph()))
    assert first.fault is Fault.WRONG_NATIONAL_CLOUD
    assert 'InvalidAuthenticationToken "Invalid audience."' in first.detail
    assert (cloud.sign_ins, len(cloud.seen)) == (1, 1)
    await failed(office, all_pages(office.graph()))
    assert (cloud.sign_ins, len(cloud.seen)) == (2, 3)


async def test_an_answer_that_gives_the_secrets_back_shows_none_of_them(stage: Stage) -> None:
    """Neither in the fault nor in its traceback."""
    message = f"you sent Bearer {TOKEN} and {known.DEMO_GRAPH_SECRET}"
    office, _ = await stage(lambda _: (400, {}, {"error": {"code": TOKEN, "message": message}}))
    fault = await failed(office, all_pages(office.graph()))
    assert "***" in fault.detail
    assert TOKEN not in "".join(traceback.format_exception(fault))


# --- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, code, fault, says",
    [
        (400, "Request_UnsupportedQuery", Fault.REQUEST_REFUSED, "Request_UnsupportedQuery"),
        (403, "Authorization_RequestDenied", Fault.CONSENT_MISSING, "up to two hours"),
        (403, "ErrorAccessDenied", Fault.IMPERSONATION_DENIED, "up to two hours"),
        (403, "", Fault.CONSENT_MISSING, "HTTP 403"),
        (404, "Request_ResourceNotFound", Fault.REQUEST_REFUSED, "Request_ResourceNotFound"),
        (404, "MailboxNotEnabledForRESTAPI", Fault.REQUEST_REFUSED, "on premises"),
        (408, "", Fault.TIMED_OUT, "HTTP 408"),
        (410, "syncStateNotFound", Fault.REQUEST_REFUSED, "syncStateNotFound"),
        (500, "InternalServerError", Fault.SERVICE_ERROR, "InternalServerError"),
        (418, "new", Fault.REQUEST_REFUSED, "HTTP 418"),
    ],
)
async def test_a_refusal_is_judged_by_its_documented_code(
    stage: Stage, status: int, code: str, fault: Fault, says: str
) -> None:
    office, _ = await stage(lambda _: (status, {}, {"error": {"code": code, "message": "a message"}}))
    found = await failed(office, all_pages(office.graph()))
    assert found.fault is fault
    assert says in found.detail
    assert "the list of users was answered with" in found.detail


@pytest.mark.parametrize("body", [{}, {"id": 7}])
async def test_an_object_without_an_id_is_malformed(stage: Stage, body: Any) -> None:
    office, _ = await stage(lambda _: (200, {}, body))
    reply = await office.graph().get(USERS)
    with pytest.raises(ProviderFault, match="lacks the object"):
        one(reply, USERS.about)


async def test_an_error_inside_a_good_status_is_a_refusal(stage: Stage) -> None:
    office, _ = await stage(lambda _: (200, {}, {"error": {"code": "Odd", "message": ""}}))
    assert "Odd" in (await failed(office, all_pages(office.graph()))).detail


async def test_a_page_of_html_is_nobody_elses_answer(stage: Stage) -> None:
    """A portal in between."""
    office, _ = await stage(lambda _: (404, {"Content-Type": "text/html"}, b"<html>no such page</html>"))
    found = await failed(office, all_pages(office.graph()))
    assert found.fault is Fault.ANSWER_MALFORMED
    assert "the answer is not JSON" in found.detail
    assert "no such page" not in found.detail


async def test_a_redirect_is_not_followed(stage: Stage) -> None:
    office, cloud = await stage(lambda _: (302, {"Location": "https://elsewhere.test/"}, b""))
    assert "elsewhere.test" in (await failed(office, all_pages(office.graph()))).detail
    assert len(cloud.seen) == 1
