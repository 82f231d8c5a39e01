"""Exchange Online's autodiscover in JSON: where a mailbox is served, told to anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.sandbox import tenant as known

if TYPE_CHECKING:
    from tests.sandbox.conftest import Reply
    from tests.sandbox.graph_client import GraphClient


async def discover(graph: GraphClient, address: str, *, protocol: str = "EWS", **more: str) -> Reply:
    path = f"{graph.url}/autodiscover/autodiscover.json/v1.0/{address}"
    return await graph.client.send("GET", path, params={"Protocol": protocol} | more, allow_redirects=False)


async def test_a_mailbox_in_the_cloud_is_served_here(graph: GraphClient) -> None:
    reply = await discover(graph, known.DEMO_MAILBOX)
    assert reply.document == {"Protocol": "EWS", "Url": f"{graph.url}/EWS/Exchange.asmx"}
    query = {"Email": known.DEMO_MAILBOX, "Protocol": "ews"}
    again = await graph.client.send("GET", f"{graph.url}/Autodiscover/Autodiscover.json", params=query)
    assert again.document["Url"] == f"{graph.url}/EWS/Exchange.asmx"
    other = await discover(graph, known.DEMO_MAILBOX, protocol="AutodiscoverV1")
    assert other.document["Url"].endswith("/autodiscover/autodiscover.xml")


async def test_an_answer_does_not_prove_a_mailbox(graph: GraphClient) -> None:
    reply = await discover(graph, "nobody@example.test")
    assert (reply.status, reply.document["Protocol"]) == (200, "EWS")


async def test_a_mailbox_on_premises_is_asked_for_there(graph: GraphClient) -> None:
    graph.tenant.people[known.DEMO_MAILBOX].mailbox = "on-premises"
    reply = await discover(graph, known.DEMO_MAILBOX)
    assert reply.status == 302
    place = f"{graph.sandbox.exchange_url}/autodiscover/autodiscover.json/v1.0/{known.DEMO_MAILBOX}"
    assert reply.headers["Location"] == f"{place}?Protocol=EWS&RedirectCount=1"


async def test_a_mailbox_that_is_half_migrated_is_said_to_be_here(graph: GraphClient) -> None:
    graph.tenant.people[known.DEMO_MAILBOX].mailbox = "on-premises"
    graph.sandbox.script.start("half-migrated")
    reply = await discover(graph, known.DEMO_MAILBOX)
    assert reply.document["Url"] == f"{graph.url}/EWS/Exchange.asmx"


async def test_a_redirect_in_a_circle_ends_at_the_service_too(graph: GraphClient) -> None:
    graph.sandbox.script.start("redirect-loop")
    reply = await discover(graph, known.DEMO_MAILBOX)
    assert reply.headers["Location"].startswith(f"{graph.url}/autodiscover/autodiscover.json/v1.0/")
    counted = await discover(graph, known.DEMO_MAILBOX, RedirectCount="9")
    assert counted.headers["Location"].endswith("RedirectCount=10")
    last = await discover(graph, known.DEMO_MAILBOX, RedirectCount="10")
    assert (last.status, last.document["ErrorCode"]) == (400, "InvalidRequest")
    nonsense = await discover(graph, known.DEMO_MAILBOX, RedirectCount="ten")
    assert nonsense.headers["Location"].endswith("RedirectCount=1")


@pytest.mark.parametrize(
    "address,protocol,code",
    [
        (known.DEMO_MAILBOX, "", "ProtocolNotSupported"),
        (known.DEMO_MAILBOX, "SMTP", "ProtocolNotSupported"),
        ("nobody", "EWS", "InvalidRequest"),
        ("a@b@c", "EWS", "InvalidRequest"),
        ("@example.test", "EWS", "InvalidRequest"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    graph: GraphClient, address: str, protocol: str, code: str
) -> None:
    reply = await discover(graph, address, protocol=protocol)
    assert (reply.status, reply.document["ErrorCode"]) == (400, code)
    assert reply.document["ErrorMessage"]


async def test_where_autodiscover_is_missing_nothing_is_found(graph: GraphClient) -> None:
    graph.sandbox.script.start("no-autodiscover")
    reply = await discover(graph, known.DEMO_MAILBOX)
    assert (reply.status, reply.raw) == (404, b"")
