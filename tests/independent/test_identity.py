"""msal and azure-identity, Microsoft's own libraries, get what they expect of the identity platform."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from typing import Any

import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential

from daemon.sandbox import Sandbox, aadsts
from daemon.sandbox import tenant as known

pytestmark = pytest.mark.slow

# What heals by itself is tried again by azure-identity, with waiting; the others are final.
FINAL = [row for row in aadsts.TABLE.values() if row.error != "temporarily_unavailable"]
NOBODY = str(uuid.UUID(int=7))


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def by_msal(sandbox: Sandbox, *, tenant: str = known.DEMO_TENANT, secret: str = known.DEMO_GRAPH_SECRET) -> Any:
    """Ask by msal, which blocks: to be called in a thread."""
    application = msal.ConfidentialClientApplication(
        known.DEMO_GRAPH_CLIENT,
        client_credential=secret,
        authority=f"{sandbox.microsoft_url}/{tenant}",
        instance_discovery=False,
        verify=str(sandbox.ca_file),
    )
    return application.acquire_token_for_client([f"{sandbox.microsoft_url}/.default"])


def settings(sandbox: Sandbox, **changes: str) -> dict[str, Any]:
    """Say to azure-identity where the sandbox is and who asks."""
    return {
        "tenant_id": known.DEMO_TENANT,
        "client_id": known.DEMO_GRAPH_CLIENT,
        "client_secret": known.DEMO_GRAPH_SECRET,
        "authority": sandbox.microsoft_url,
        "disable_instance_discovery": True,
        "connection_verify": str(sandbox.ca_file),
    } | changes


def by_azure(sandbox: Sandbox, **changes: str) -> Any:
    """Ask by azure-identity, which blocks here: to be called in a thread."""
    with ClientSecretCredential(**settings(sandbox, **changes)) as credential:
        return credential.get_token(f"{sandbox.microsoft_url}/.default")


async def by_azure_aio(sandbox: Sandbox, **changes: str) -> Any:
    """Ask by the asynchronous half of azure-identity, which is written apart from the other one."""
    async with AsyncClientSecretCredential(**settings(sandbox, **changes)) as credential:
        return await credential.get_token(f"{sandbox.microsoft_url}/.default")


async def test_msal_gets_a_token_with_the_roles(sandbox: Sandbox) -> None:
    answer = await asyncio.to_thread(by_msal, sandbox)
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3599
    assert "User.Read.All" in claims(answer["access_token"])["roles"]


@pytest.mark.parametrize("row", FINAL, ids=lambda row: str(row.number))
async def test_msal_reads_every_refusal(sandbox: Sandbox, row: aadsts.Row) -> None:
    sandbox.world.tenant.aadsts_error = row.number
    answer = await asyncio.to_thread(by_msal, sandbox)
    assert answer["error"] == row.error
    assert answer["error_codes"] == [row.number]
    assert answer["error_description"].startswith(f"AADSTS{row.number}: ")
    assert answer["correlation_id"] in answer["error_description"]
    assert uuid.UUID(answer["trace_id"])


async def test_msal_reads_a_real_wrong_secret(sandbox: Sandbox) -> None:
    answer = await asyncio.to_thread(by_msal, sandbox, secret="wrong")
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000215])


async def test_msal_finds_an_unknown_tenant_while_it_looks_for_the_endpoint(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match=r"AADSTS90002|Unable to get authority configuration"):
        await asyncio.to_thread(by_msal, sandbox, tenant=NOBODY)


async def test_azure_identity_gets_a_token_in_both_its_halves(sandbox: Sandbox) -> None:
    for token in (await asyncio.to_thread(by_azure, sandbox), await by_azure_aio(sandbox)):
        assert claims(token.token)["aud"] == sandbox.microsoft_url
        assert token.expires_on - time.time() == pytest.approx(3599, abs=60)


CAUSES: list[tuple[dict[str, str], int]] = [
    ({"client_secret": "wrong"}, 7000215),
    ({"client_id": NOBODY}, 700016),
    ({"tenant_id": NOBODY}, 90002),
    ({"tenant_id": "example"}, 900023),
]


@pytest.mark.parametrize("changes,number", CAUSES, ids=str)
async def test_azure_identity_reads_a_refusal(sandbox: Sandbox, changes: dict[str, str], number: int) -> None:
    with pytest.raises(ClientAuthenticationError, match=f"AADSTS{number}"):
        await by_azure_aio(sandbox, **changes)


@pytest.mark.parametrize("row", FINAL, ids=lambda row: str(row.number))
async def test_azure_identity_reads_every_refusal(sandbox: Sandbox, row: aadsts.Row) -> None:
    sandbox.world.tenant.aadsts_error = row.number
    with pytest.raises(ClientAuthenticationError, match=f"AADSTS{row.number}: "):
        await by_azure_aio(sandbox)


async def test_azure_identity_comes_back_after_the_time_that_it_was_told(sandbox: Sandbox) -> None:
    sandbox.script.start("throttled", times=1, seconds=1, endpoint="identity")
    before = time.monotonic()
    assert (await by_azure_aio(sandbox)).token
    assert time.monotonic() - before >= 1
    assert sandbox.calls["identity"] == 2
