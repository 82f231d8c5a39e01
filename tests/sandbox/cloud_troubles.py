"""How each trouble of Microsoft's cloud looks to a client; joined with the others in `test_sandbox_trouble.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from daemon.sandbox import Trouble
from daemon.sandbox import tenant as known
from tests.sandbox.graph_client import GraphClient, claims

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Reply

Look = Callable[["Client"], Awaitable[None]]


def no_token_for(number: int) -> Look:
    async def seen(client: Client) -> None:
        reply = await GraphClient(client).token()
        assert reply.document["error_codes"] == [number]

    return seen


async def the_token_carries_no_role(client: Client) -> None:
    graph = GraphClient(client)
    assert "roles" not in claims(await graph.bearer())
    assert (await graph.get("/users")).document["error"]["code"] == "Authorization_RequestDenied"


def the_inbox_says(status: int, code: str) -> Look:
    async def seen(client: Client) -> None:
        reply = await GraphClient(client).get(f"/users/{known.DEMO_PROBE}/mailFolders/inbox")
        assert (reply.status, reply.document["error"]["code"]) == (status, code)

    return seen


async def autodiscover(client: Client) -> Reply:
    path = f"{client.sandbox.microsoft_url}/autodiscover/autodiscover.json/v1.0/{known.DEMO_MAILBOX}?Protocol=EWS"
    return await client.send("GET", path, allow_redirects=False)


async def autodiscover_leads_in_a_circle(client: Client) -> None:
    reply = await autodiscover(client)
    assert reply.status == 302
    assert reply.headers["Location"].startswith(f"{client.sandbox.microsoft_url}/autodiscover/")


async def autodiscover_is_not_there(client: Client) -> None:
    assert (await autodiscover(client)).status == 404


IN_THE_CLOUD: dict[Trouble, Look] = {
    Trouble.EXPIRED_CLIENT_SECRET: no_token_for(7000222),
    Trouble.WRONG_CLIENT_SECRET: no_token_for(7000215),
    Trouble.WRONG_TENANT: no_token_for(90002),
    Trouble.UNKNOWN_REGISTRATION: no_token_for(700016),
    Trouble.MISSING_CONSENT: the_token_carries_no_role,
    Trouble.NO_IMPERSONATION: the_inbox_says(403, "ErrorAccessDenied"),
    Trouble.NO_MAILBOX: the_inbox_says(404, "MailboxNotEnabledForRESTAPI"),
    Trouble.HALF_MIGRATED: the_inbox_says(404, "MailboxNotEnabledForRESTAPI"),
    Trouble.REDIRECT_LOOP: autodiscover_leads_in_a_circle,
    Trouble.NO_AUTODISCOVER: autodiscover_is_not_there,
    Trouble.MOVED_MAILBOX: the_inbox_says(503, "ErrorMailboxMoveInProgress"),
}
