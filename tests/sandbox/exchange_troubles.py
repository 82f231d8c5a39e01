"""How each trouble of Exchange on premises looks to a client; looked at in `test_sandbox_trouble.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from daemon.sandbox import Trouble
from daemon.sandbox import tenant as known
from tests.sandbox.exchange_client import on_premises

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client

Look = Callable[["Client"], Awaitable[None]]


async def no_mailbox_password_is_right(client: Client) -> None:
    exchange = on_premises(client)
    for said in (await exchange.settings(known.DEMO_MAILBOX), await exchange.inbox()):
        assert said.status == 401
        assert said.reply.headers["WWW-Authenticate"].startswith("Basic realm=")


async def nobody_may_be_impersonated(client: Client) -> None:
    exchange = on_premises(client)
    assert (await exchange.inbox()).first("ResponseCode") == "NoError"
    said = await exchange.inbox(of=known.DEMO_PROBE)
    assert (said.status, said.first("ResponseCode")) == (500, "ErrorImpersonateUserDenied")


async def the_account_has_no_mailbox(client: Client) -> None:
    exchange = on_premises(client)
    said = await exchange.inbox()
    assert (said.status, said.first("ResponseCode")) == (200, "ErrorMissingEmailAddress")
    assert (await exchange.inbox(of=known.DEMO_PROBE)).first("ResponseCode") == "NoError"


async def the_mailbox_is_moving(client: Client) -> None:
    said = await on_premises(client).inbox()
    assert (said.status, said.first("ResponseCode")) == (200, "ErrorMailboxMoveInProgress")


async def autodiscover_leads_to_the_cloud(client: Client) -> None:
    exchange, cloud = on_premises(client), client.sandbox.microsoft_url
    said = await exchange.settings(known.DEMO_MAILBOX)
    assert said.all("ErrorCode") == ["NoError", "RedirectUrl"]
    assert said.first("RedirectTarget").startswith(f"{cloud}/")
    assert (await exchange.pox(known.DEMO_MAILBOX)).first("RedirectUrl").startswith(f"{cloud}/")
    assert (await exchange.json(known.DEMO_MAILBOX)).headers["Location"].startswith(f"{cloud}/")


async def autodiscover_leads_to_itself(client: Client) -> None:
    exchange = on_premises(client)
    assert (await exchange.settings(known.DEMO_MAILBOX)).first("RedirectTarget").startswith(f"{exchange.url}/")
    assert (await exchange.pox(known.DEMO_MAILBOX)).first("RedirectUrl").startswith(f"{exchange.url}/")
    assert (await exchange.json(known.DEMO_MAILBOX)).headers["Location"].startswith(f"{exchange.url}/")


async def nothing_answers_autodiscover(client: Client) -> None:
    exchange = on_premises(client)
    assert (await exchange.settings(known.DEMO_MAILBOX)).status == 404
    assert (await exchange.pox(known.DEMO_MAILBOX)).status == 404
    assert (await exchange.json(known.DEMO_MAILBOX)).status == 404


async def the_web_services_are_off(client: Client) -> None:
    said = await on_premises(client).inbox()
    assert (said.status, said.reply.raw) == (403, b"")


ON_PREMISES: dict[Trouble, Look] = {
    Trouble.WRONG_MAILBOX_PASSWORD: no_mailbox_password_is_right,
    Trouble.NO_IMPERSONATION: nobody_may_be_impersonated,
    Trouble.NO_MAILBOX: the_account_has_no_mailbox,
    Trouble.MOVED_MAILBOX: the_mailbox_is_moving,
    Trouble.HALF_MIGRATED: autodiscover_leads_to_the_cloud,
    Trouble.REDIRECT_LOOP: autodiscover_leads_to_itself,
    Trouble.NO_AUTODISCOVER: nothing_answers_autodiscover,
    Trouble.EWS_DISABLED: the_web_services_are_off,
}
