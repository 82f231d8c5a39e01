"""A bad network before autodiscover and before EWS: one fault each, in its layer, and nothing hangs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from daemon.ports import Examination
from daemon.providers.http import HttpClients, Limits
from daemon.sandbox import Sandbox
from states import Fault
from tests.exchange import answers
from tests.exchange.answers import Mail
from tests.exchange.conftest import ADDRESS, PASSWORD, Office
from tests.exchange.internet import Internet
from tests.exchange.test_ews import fault_of
from tests.faultproxy import FaultProxy, Trouble
from tests.providers.conftest import Authority

MAIL = "https://mail.example.test"
TROUBLES = {
    Trouble.RESET_IN_HANDSHAKE: Fault.TLS_FAILED,
    Trouble.SILENT_IN_HANDSHAKE: Fault.TIMED_OUT,
    Trouble.GARBAGE_FOR_TLS: Fault.TLS_FAILED,
    Trouble.WRONG_AUTHORITY: Fault.CERTIFICATE_UNTRUSTED,
    Trouble.LATE: Fault.TIMED_OUT,
    Trouble.RESET: Fault.CONNECTION_LOST,
    Trouble.CUT_SHORT: Fault.CONNECTION_LOST,
    Trouble.HALF_OPEN: Fault.TIMED_OUT,
    Trouble.SLOW_BODY: Fault.TIMED_OUT,
    Trouble.GARBAGE: Fault.ANSWER_MALFORMED,
}


@pytest.fixture
async def between(certificates: Path, sandbox: Sandbox) -> AsyncIterator[FaultProxy]:
    """Stands before the sandbox's Exchange host."""
    async with FaultProxy(certificates, target=sandbox.exchange_url.removeprefix("https://")) as proxy:
        proxy.seconds = 1.0
        yield proxy


@pytest.fixture
def office(abroad: Office, sandbox: Sandbox, authority: Authority, tmp_path: Path) -> Office:
    ca_file = tmp_path / "both.pem"
    ca_file.write_bytes(sandbox.ca_file.read_bytes() + authority.ca_file.read_bytes())
    abroad.route = replace(abroad.route, ca_file=str(ca_file))
    abroad.clients.limits = Limits(connect=0.5, total=0.5)
    return abroad


def ended(examination: Examination) -> tuple[str, Fault]:
    return examination.layers[-1].name, fault_of(examination).fault


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.value)
async def test_trouble_before_the_named_place_is_the_fault_of_autodiscover(
    office: Office, between: FaultProxy, trouble: Trouble
) -> None:
    """No other place answers, so that what keeps from the named one is what has to be mended."""
    between.trouble = trouble
    examination = await office.examine(autodiscover_url=between.url)
    fault = Fault.AUTODISCOVER_FAILED if trouble is Trouble.GARBAGE else TROUBLES[trouble]
    assert ended(examination) == ("autodiscover", fault)
    assert f"{between.url}: " in fault_of(examination).detail


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.value)
async def test_trouble_before_ews_is_the_fault_of_the_sign_in(
    office: Office, internet: Internet, between: FaultProxy, trouble: Trouble
) -> None:
    ews = f"{between.url}{answers.EWS_PATH}"
    internet.sites[MAIL] = Mail(ADDRESS, PASSWORD, soap=lambda _: answers.soap_settings(ews))
    between.trouble = trouble
    examination = await office.examine(autodiscover_url=MAIL, trusted_hosts=("localhost",))
    assert ended(examination) == ("mailbox sign-in", TROUBLES[trouble])


@pytest.mark.parametrize("body", [b" " * 2**21, b"<a>" * 2**18])
async def test_a_body_that_is_far_too_large_is_not_read_to_its_end(
    office: Office, internet: Internet, clients: HttpClients, body: bytes
) -> None:
    ews = f"{MAIL}{answers.EWS_PATH}"
    clients.limits = Limits()
    large = lambda _seen: web.Response(body=body, content_type="text/xml")  # noqa: E731 - an answer
    internet.sites[MAIL] = Mail(ADDRESS, PASSWORD, soap=lambda _: answers.soap_settings(ews), ews=large)
    layer, fault = ended(await office.examine(autodiscover_url=MAIL))
    assert layer == "mailbox sign-in"
    assert fault in {Fault.ANSWER_TOO_LARGE, Fault.ANSWER_MALFORMED}
    internet.sites[MAIL] = Mail(ADDRESS, PASSWORD, soap=large, pox=large, json=large)
    assert ended(await office.examine(autodiscover_url=MAIL)) == ("autodiscover", Fault.AUTODISCOVER_FAILED)


async def test_the_certificate_that_was_refused_names_its_issuer(office: Office, between: FaultProxy) -> None:
    """A firewall that inspects TLS is found by that name."""
    between.trouble = Trouble.WRONG_AUTHORITY
    assert 'issued by "somebody else' in fault_of(await office.examine(autodiscover_url=between.url)).detail
