"""`POST /api/v1/sites/{site}/doctor`: who may, what is sent, what is answered."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.ports import Secret
from tests.web.described import DescribedClient
from tests.web.memory_engine import MemoryEngine

DOCTOR = "/api/v1/sites/default/doctor"


async def test_the_layers_are_answered_as_they_are(engine: MemoryEngine, api: DescribedClient) -> None:
    """200 also when one failed: the examination itself went well."""
    reply = await api.post(DOCTOR, headers={"X-Request-ID": "ticket-42"})
    assert reply.status == 200
    assert reply.json == {
        "layers": [
            {"step": "connect", "status": "passed", "seconds": 0.25, "detail": "127.0.0.1:443", "remedy": ""},
            {
                "step": "tls",
                "status": "failed",
                "seconds": 0.25,
                "detail": "a stranger signed",
                "remedy": "Ask.",
            },
        ]
    }
    site, caller, sign_in = engine.examined[0]
    assert (site, caller.actor, caller.request_id, sign_in) == ("default", "http:127.0.0.1", "ticket-42", False)


async def test_a_login_is_made_only_when_it_is_asked_for(engine: MemoryEngine, api: DescribedClient) -> None:
    await api.post(DOCTOR, json={"sign_in": True})
    await api.post(DOCTOR, json={"sign_in": False})
    assert [sign_in for _, _, sign_in in engine.examined] == [True, False]


@pytest.mark.parametrize("body, field", [({"sign_in": "yes"}, "sign_in"), ({"signin": True}, "signin")])
async def test_a_body_that_is_not_understood_is_named(
    engine: MemoryEngine, api: DescribedClient, body: Any, field: str
) -> None:
    """Nothing is examined then: a misspelt field must not turn a login off or on."""
    reply = await api.post(DOCTOR, json=body)
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-field", field)
    assert engine.examined == []


async def test_a_login_that_cannot_be_recorded_is_503(engine: MemoryEngine, api: DescribedClient) -> None:
    engine.journal_down = True
    assert (await api.post(DOCTOR, json={"sign_in": True})).status == 503
    assert (await api.post(DOCTOR)).status == 200


async def test_an_unknown_site_is_404(api: DescribedClient) -> None:
    reply = await api.post("/api/v1/sites/nowhere/doctor")
    assert (reply.status, reply.code) == (404, "unknown-site")


async def test_where_tokens_are_required_the_doctor_needs_one(engine: MemoryEngine, api: DescribedClient) -> None:
    """It is an order, not a look: scope `operate`."""
    engine.token = Secret("right")
    engine.settings = type(engine.settings)(port=0, require_token=True)
    assert (await api.post(DOCTOR)).status == 401
    assert (await api.post(DOCTOR, headers={"Authorization": "Bearer right"})).status == 200
