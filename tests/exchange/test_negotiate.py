"""NTLM and Negotiate, against a server that speaks them for real: pyspnego's accepting side on every connection."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import spnego
import spnego.exceptions
from aiohttp import web
from multidict import CIMultiDict

from daemon.ports import Secret
from daemon.providers import negotiate
from daemon.providers.answer import Answer
from states import Fault
from tests.exchange import answers
from tests.exchange.answers import Mail
from tests.exchange.conftest import ADDRESS, PROBE, Office, layer
from tests.exchange.internet import Internet, Seen
from tests.exchange.test_ews import fault_of

MAIL = "https://mail.example.test"
PASSWORD = "canary of the negotiation"


@dataclass
class Guarded:
    """`site` behind NTLM or Negotiate: a connection is let in once it has proved itself, and counts its refusals."""

    site: Mail
    schemes: tuple[str, ...]
    refused: int = 0
    accepted: int = 0
    _open: dict[object, Any] = field(default_factory=dict)
    _in: set[object] = field(default_factory=set)

    def __call__(self, seen: Seen, connection: object) -> web.Response:
        scheme, _, token = seen.authorization.partition(" ")
        if connection in self._in:
            return self.site(seen, connection)
        if scheme not in self.schemes or not token:
            return answers.challenge(*self.schemes)
        context = self._open.setdefault(connection, spnego.server(protocol=scheme.casefold()))
        try:
            reply = context.step(base64.b64decode(token))
        except spnego.exceptions.SpnegoError:
            self.refused += 1
            return answers.challenge(*self.schemes)
        if not context.complete:
            return answers.challenge(f"{scheme} {base64.b64encode(reply).decode()}")
        self._in.add(connection)
        self.accepted += 1
        return self.site(seen, connection)


@pytest.fixture
def office(abroad: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    users = tmp_path / "users"
    users.write_text(f":{ADDRESS}:{PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    abroad.access = type(abroad.access)(
        platform="exchange",
        smtp_address=ADDRESS,
        password=Secret(PASSWORD),
        probe_address=PROBE,
        autodiscover_url=MAIL,
    )
    return abroad


def guarded(*schemes: str) -> Guarded:
    settings = answers.soap_settings
    ews = f"{MAIL}{answers.EWS_PATH}"
    site = Mail("", "", soap=lambda _: settings(ews), ews=lambda _: answers.folder(), open_to_all=True)
    return Guarded(site, schemes)


@pytest.mark.parametrize("schemes", [("NTLM",), ("Negotiate",), ("Negotiate", "NTLM")])
async def test_the_account_signs_in_without_basic(
    office: Office, internet: Internet, caplog: pytest.LogCaptureFixture, schemes: tuple[str, ...]
) -> None:
    """Each call over a connection of its own, which proves itself first. No token is logged."""
    internet.sites[MAIL] = site = guarded(*schemes)
    with caplog.at_level(logging.DEBUG):
        examination = await office.examine()
    assert {(each.status, each.fault) for each in examination.layers} == {("passed", None)}
    assert (site.accepted, site.refused) == (3, 0)
    assert not any(seen.authorization.startswith("Basic") for seen in internet.seen)
    tokens = {seen.authorization.partition(" ")[2] for seen in internet.seen if seen.authorization}
    assert [token for token in tokens if token in caplog.text] == []


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
async def test_a_wrong_password_is_refused_once(office: Office, internet: Internet, scheme: str) -> None:
    """Three examinations, one try."""
    internet.sites[MAIL] = site = guarded(scheme)
    for _ in range(3):
        fault = fault_of(await office.examine(password=Secret("wrong")))
        assert fault.fault is Fault.MAILBOX_SIGN_IN_REFUSED
    assert f"it was sent with {scheme}" in fault.detail
    assert site.refused == 1


async def test_basic_is_taken_where_it_is_offered_too(office: Office, internet: Internet) -> None:
    """It needs no library and no connection of its own."""
    site = Mail(ADDRESS, PASSWORD, soap=lambda _: answers.soap_settings(f"{MAIL}{answers.EWS_PATH}"))
    site.schemes = ("Negotiate", "NTLM", 'Basic realm="x"')
    site.ews = lambda _: answers.folder()
    internet.sites[MAIL] = site
    assert layer(await office.examine(), "mailbox sign-in").fault is None


NONSENSE = {
    "no token of NTLM": base64.b64encode(b"nonsense").decode(),
    "a cut challenge": base64.b64encode(b"NTLMSSP\x00\x02\x00\x00\x00").decode(),
}


@pytest.mark.parametrize("what", NONSENSE)
@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
async def test_a_challenge_that_makes_no_sense_is_one_fault(
    office: Office, internet: Internet, scheme: str, what: str
) -> None:
    """The library's own exceptions end there; their frames hold the password."""

    def site(seen: Seen, _connection: object) -> web.Response:
        return answers.challenge(f"{scheme} {NONSENSE[what]}" if seen.authorization else scheme)

    internet.sites[MAIL] = site
    fault = fault_of(await office.examine())
    assert "may make no sense" in fault.detail


async def test_a_server_that_challenges_without_end_is_left(office: Office, internet: Internet) -> None:
    internet.sites[MAIL] = answers.always(lambda: answers.challenge("NTLM !!!"))
    assert fault_of(await office.examine()).fault is Fault.MAILBOX_SIGN_IN_REFUSED


@pytest.mark.parametrize(
    "offered, taken",
    [
        (("Negotiate", "NTLM"), "NTLM"),
        (("negotiate",), "negotiate"),
        (("Bearer",), ""),
        ((), ""),
    ],
)
def test_ntlm_goes_before_negotiate(offered: tuple[str, ...], taken: str) -> None:
    """A name and a password are all that NTLM needs; Negotiate may ask for Kerberos."""
    assert negotiate.chosen(offered) == taken


def test_offers_are_read_from_one_header_or_many() -> None:
    many = CIMultiDict([("WWW-Authenticate", "Negotiate"), ("www-authenticate", "NTLM")])
    one = {"WWW-Authenticate": "Basic"}
    for headers, offers in ((many, ["Negotiate", "NTLM"]), (one, ["Basic"]), ({}, [])):
        answer = Answer(status=401, headers=headers, body=b"", json=None)
        assert negotiate.offers_in(answer) == offers
