"""The doctor behind a real squid that wants a sign-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doctor.conftest import Opened
from tests.proxies.real import Squid

pytestmark = pytest.mark.parts

SIGN_IN = {"proxy_requires_authentication": "yes", "proxy_username": "CORP\\svc", "proxy_password": "literal:p@ss%w0rd"}


@pytest.fixture(scope="module")
def squid() -> Iterator[Squid]:
    with Squid({"CORP\\svc": "p@ss%w0rd"}) as proxy:
        yield proxy


async def test_with_the_right_password_every_layer_is_passed(clinic: Opened, squid: Squid) -> None:
    async with clinic() as ward:
        ward.through(squid.port, **SIGN_IN)
        layers = await ward.examined(sign_in=True)
    assert [layer for layer in layers if layer["status"] == "failed"] == []
    told = {layer["step"]: layer["detail"] for layer in layers}
    assert told["proxy authentication"] == "signed in as CORP\\svc (Basic)"


@pytest.mark.parametrize("password", ["literal:wrong", ""])
async def test_with_a_wrong_one_or_none_it_is_the_proxy_authentication(
    clinic: Opened, squid: Squid, password: str
) -> None:
    """With the scheme that is offered, and what to change."""
    async with clinic() as ward:
        ward.through(squid.port, **({**SIGN_IN, "proxy_password": password} if password else {}))
        layers = await ward.examined()
    failed = [layer for layer in layers if layer["status"] == "failed"]
    assert [layer["step"] for layer in failed] == ["proxy authentication"]
    assert "it offers Basic" in failed[0]["detail"]
    assert "[connection] proxy_username and proxy_password" in failed[0]["remedy"]
    assert "wrong" not in str(layers)
