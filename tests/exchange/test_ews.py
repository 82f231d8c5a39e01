"""The account signs in, has a mailbox, and may work in others: each layer says so, or why not and what to do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping

import pytest
from aiohttp import web

from daemon.ports import MAILBOX_LAYERS, Examination, ProviderFault, Registration, Secret
from daemon.providers.ews_errors import TABLE
from states import Fault
from tests.canaries.hunt import given, hunt
from tests.canaries.objects import remembering, reprs
from tests.contracts.cloud import assert_tells_no_secret
from tests.exchange import answers
from tests.exchange.answers import Mail
from tests.exchange.conftest import ADDRESS, PASSWORD, PROBE, Office, layer
from tests.exchange.internet import Internet, Seen

MAIL = "https://mail.example.test"
EWS = f"{MAIL}{answers.EWS_PATH}"
BINDER = "admin@example.test"
SECRETS = {PASSWORD, answers.basic(ADDRESS, PASSWORD), answers.basic(ADDRESS, PASSWORD).removeprefix("Basic ")}


@pytest.fixture
def office(abroad: Office, internet: Internet) -> Office:
    """The adapter before one Exchange that does everything right, named in the configuration."""
    internet.sites[MAIL] = exchange()
    abroad.access = type(abroad.access)(
        platform="exchange",
        smtp_address=ADDRESS,
        password=Secret(PASSWORD),
        probe_address=PROBE,
        autodiscover_url=MAIL,
    )
    return abroad


def exchange(
    own: Callable[[], web.Response] = answers.folder,
    others: Mapping[str, Callable[[], web.Response]] | None = None,
    *,
    url: str = EWS,
) -> Mail:
    """`own` answers for the account's own inbox, `others` by the address that is impersonated; the rest is there."""

    def ews(seen: Seen) -> web.Response:
        for address, answer in (others or {}).items():
            if f"<t:PrimarySmtpAddress>{address}<".encode() in seen.body:
                return answer()
        return answers.folder() if b"ExchangeImpersonation" in seen.body else own()

    return Mail(ADDRESS, PASSWORD, soap=lambda _: answers.soap_settings(url), ews=ews)


def outcome(examination: Examination) -> list[tuple[str, str]]:
    """Each layer with its status, or with its fault's code."""
    return [(each.name, each.fault.fault.code if each.fault else each.status) for each in examination.layers]


def fault_of(examination: Examination) -> ProviderFault:
    fault = examination.layers[-1].fault
    assert fault is not None
    assert [each.fault for each in examination.layers[:-1]] == [None] * (len(examination.layers) - 1)
    assert_tells_no_secret(fault, SECRETS)
    return fault


# --- all is well ---


async def test_all_four_layers_pass_in_order_with_evidence(office: Office, internet: Internet) -> None:
    examination = await office.examine()
    assert [each.name for each in examination.layers] == list(MAILBOX_LAYERS)
    assert outcome(examination) == [(name, "passed") for name in MAILBOX_LAYERS]
    said = " | ".join(each.detail for each in examination.layers)
    for part in (EWS, f"took the sign-in of {ADDRESS}", f"the inbox of {ADDRESS} answered", f"the inbox of {PROBE}"):
        assert part in said
    assert PASSWORD not in repr(examination)


async def test_another_mailbox_is_opened_and_named_as_the_anchor(office: Office, internet: Internet) -> None:
    """In one's own, impersonation proves nothing; a wrong anchor leads to the wrong server."""
    await office.examine()
    asked = [seen for seen in internet.asked(MAIL) if seen.url.endswith("asmx") and seen.authorization]
    assert [(b"Impersonation" in seen.body, seen.headers["X-AnchorMailbox"]) for seen in asked] == [
        (False, ADDRESS),
        (True, PROBE),
    ]
    assert all(b"<t:BaseShape>IdOnly<" in seen.body and b'Id="inbox"' in seen.body for seen in asked)
    assert asked[1].headers["client-request-id"] == "id-of-the-call"


async def test_nothing_is_signed_before_the_server_asks(office: Office, internet: Internet) -> None:
    await office.examine()
    assert internet.asked(MAIL)[0].authorization == ""


# --- the table of errors ---


@pytest.mark.parametrize("form", ["item", "header", "faultcode"])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
async def test_every_code_about_another_mailbox_has_its_fault(
    office: Office, internet: Internet, row: object, form: str
) -> None:
    """Whether it comes with HTTP 200 or as a SOAP fault with HTTP 500, in the detail or in faultcode alone."""
    found = next(each for each in TABLE if each is row)
    form_of = {
        "item": lambda: answers.item_error(found.code),
        "header": lambda: answers.header_fault(found.code),
        "faultcode": lambda: answers.header_fault(found.code, in_detail=False),
    }
    internet.sites[MAIL] = exchange(others={PROBE: form_of[form]})
    examination = await office.examine()
    fault = fault_of(examination)
    assert examination.layers[-1].name == "impersonation"
    assert fault.fault is found.fault_for(another=True)
    assert found.code in fault.detail
    assert found.meaning in fault.detail
    assert '"It did not work."' in fault.detail
    assert "id-of-the-call" in fault.detail


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
async def test_every_code_about_the_accounts_own_mailbox_shows_in_its_layer(
    office: Office, internet: Internet, row: object
) -> None:
    found = next(each for each in TABLE if each is row)
    internet.sites[MAIL] = exchange(own=lambda: answers.header_fault(found.code))
    examination = await office.examine()
    if found.about == "right":
        assert outcome(examination)[2:] == [("mail enabled", "warning"), ("impersonation", "passed")]
        assert found.code in layer(examination, "mail enabled").detail
        return
    fault = fault_of(examination)
    assert fault.fault is found.fault
    assert examination.layers[-1].name == ("mailbox sign-in" if found.about == "sign-in" else "mail enabled")


async def test_a_right_that_is_lacking_for_the_own_mailbox_is_the_fault_without_another(
    office: Office, internet: Internet
) -> None:
    internet.sites[MAIL] = exchange(own=lambda: answers.item_error("ErrorImpersonateUserDenied"))
    examination = await office.examine(probe_address="")
    assert examination.layers[-1].name == "impersonation"
    assert fault_of(examination).fault is Fault.IMPERSONATION_DENIED


async def test_the_wait_that_a_busy_server_asks_for_is_kept(office: Office, internet: Internet) -> None:
    internet.sites[MAIL] = exchange(own=lambda: answers.header_fault("ErrorServerBusy", back_off=297_000))
    fault = fault_of(await office.examine())
    assert (fault.fault, fault.retry_after) == (Fault.EXCHANGE_BUSY, 297.0)
    assert "it asks to wait 297 s" in fault.detail


async def test_no_more_than_an_hour_is_believed(office: Office, internet: Internet) -> None:
    internet.sites[MAIL] = exchange(own=lambda: answers.header_fault("ErrorServerBusy", back_off=10**9))
    assert fault_of(await office.examine()).retry_after == 3600.0


async def test_a_code_that_nobody_knows_is_quoted(office: Office, internet: Internet) -> None:
    internet.sites[MAIL] = exchange(own=lambda: answers.item_error("ErrorOfTheNextCentury", "Boom &lt;b&gt;\x85"))
    fault = fault_of(await office.examine())
    assert fault.fault is Fault.REQUEST_REFUSED
    assert "ErrorOfTheNextCentury" in fault.detail


STATUSES = {
    403: Fault.EWS_DISABLED,
    404: Fault.REQUEST_REFUSED,
    405: Fault.REQUEST_REFUSED,
    418: Fault.REQUEST_REFUSED,
    429: Fault.THROTTLED,
    500: Fault.SERVICE_ERROR,
    502: Fault.SERVICE_ERROR,
    503: Fault.SERVICE_ERROR,
}


@pytest.mark.parametrize("status", STATUSES)
async def test_a_status_without_xml_has_its_fault(office: Office, internet: Internet, status: int) -> None:
    """403 is never taken for a wrong password."""
    internet.sites[MAIL] = exchange(own=lambda: web.Response(status=status, headers={"Retry-After": "7"}))
    examination = await office.examine()
    fault = fault_of(examination)
    assert examination.layers[-1].name == "mailbox sign-in"
    assert fault.fault is STATUSES[status]
    assert str(status) in fault.detail
    assert fault.retry_after == 7.0
    if status == 403:
        assert "the password is not what is wrong" in fault.detail


SENSELESS = {
    "no XML": lambda: web.Response(body=b"<!DOCTYPE html><html>"),
    "nothing": lambda: web.Response(body=b""),
    "another answer": lambda: answers.xml(answers.envelope("<x/>")),
    "a folder without an id": lambda: answers.xml(
        answers.envelope(f'<m:GetFolderResponseMessage xmlns:m="{answers.MESSAGES}" ResponseClass="Success"/>')
    ),
    "a redirect": lambda: answers.moved("/owa"),
}


@pytest.mark.parametrize("what", SENSELESS)
async def test_what_is_no_answer_of_ews_is_malformed(office: Office, internet: Internet, what: str) -> None:
    internet.sites[MAIL] = exchange(own=SENSELESS[what])
    assert fault_of(await office.examine()).fault is Fault.ANSWER_MALFORMED


# --- sign-in ---


async def test_a_refused_password_is_not_tried_again(office: Office, internet: Internet) -> None:
    """One try at autodiscover and none more, whoever asks, for a quarter of an hour; another password is tried."""
    internet.sites[MAIL] = site = exchange()
    for _ in range(5):
        fault = fault_of(await office.examine(password=Secret("wrong")))
        assert fault.fault is Fault.MAILBOX_SIGN_IN_REFUSED
    assert site.refusals == [answers.SOAP_PATH]
    assert "not tried again for" in fault.detail
    assert outcome(await office.examine()) == [(name, "passed") for name in MAILBOX_LAYERS]
    await office.clock.advance(16 * 60)
    await office.examine(password=Secret("wrong"))
    assert len(site.refusals) == 2


async def test_ews_that_refuses_what_autodiscover_took_is_told(office: Office, internet: Internet) -> None:
    """And it is asked once only."""
    internet.sites[MAIL] = Mail(
        ADDRESS, PASSWORD, soap=lambda _: answers.soap_settings(EWS), ews=lambda _: answers.challenge()
    )
    for _ in range(3):
        examination = await office.examine()
        assert outcome(examination)[-1] == ("mailbox sign-in", "mailbox-sign-in-refused")
        assert f"did not accept the name {ADDRESS}" in fault_of(examination).detail
    assert len([seen for seen in internet.asked(MAIL) if seen.url.endswith("asmx") and seen.authorization]) == 1


async def test_a_password_that_changes_in_the_middle_is_told_and_not_tried_again(
    office: Office, internet: Internet
) -> None:
    """The account's own mailbox still opened."""
    internet.sites[MAIL] = exchange(others={PROBE: answers.challenge})
    for _ in range(2):
        examination = await office.examine()
        assert fault_of(examination).fault is Fault.MAILBOX_SIGN_IN_REFUSED
    assert outcome(examination)[-1] == ("mailbox sign-in", "mailbox-sign-in-refused")


async def test_sites_that_share_a_wrong_password_spend_one_try(office: Office, internet: Internet) -> None:
    internet.sites[MAIL] = site = exchange()
    many = [office.examine(password=Secret("wrong")) for _ in range(10)]
    assert {fault_of(each).fault for each in await asyncio.gather(*many)} == {Fault.MAILBOX_SIGN_IN_REFUSED}
    assert len(site.refusals) == 1


async def test_an_examination_can_be_cancelled(office: Office, internet: Internet) -> None:
    """A bind that ends leaves nothing behind, and nothing is swallowed."""
    started = asyncio.Event()

    async def token(scope: str) -> Secret:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError(scope)

    internet.sites[OUTLOOK] = cloud()
    office.token = token
    access = {"platform": "microsoft-365", "registration": REGISTRATION, "autodiscover_url": ""}
    task = asyncio.create_task(office.examine(**access), name="examination")
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_no_credentials_are_sent_where_none_are_required(office: Office, internet: Internet) -> None:
    site = exchange()
    site.open_to_all = True
    internet.sites[MAIL] = site
    examination = await office.examine(requires_authentication=False)
    assert outcome(examination) == [(name, "passed") for name in MAILBOX_LAYERS]
    assert "without a sign-in" in layer(examination, "mailbox sign-in").detail
    assert {seen.authorization for seen in internet.seen} == {""}


async def test_a_server_that_wants_a_sign_in_contradicts_requires_authentication(
    office: Office, internet: Internet
) -> None:
    examination = await office.examine(requires_authentication=False)
    fault = fault_of(examination)
    assert outcome(examination)[-1] == ("mailbox sign-in", "mailbox-sign-in-refused")
    assert "[account] requires_authentication = no" in fault.detail
    assert "it offers Basic" in fault.detail
    assert {seen.authorization for seen in internet.seen} == {""}


async def test_the_schemes_offered_are_named_when_none_fits(office: Office, internet: Internet) -> None:
    site = exchange()
    site.schemes = ("Bearer", 'Digest realm="x"')
    internet.sites[MAIL] = site
    fault = fault_of(await office.examine())
    assert fault.fault is Fault.MAILBOX_SCHEME_UNSUPPORTED
    assert "it offers Bearer, Digest); sitebind speaks Basic, NTLM and Negotiate" in fault.detail


async def test_without_the_extra_its_installation_is_told(
    office: Office, internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = exchange()
    site.schemes = ("Negotiate", "NTLM")
    internet.sites[MAIL] = site
    monkeypatch.setitem(sys.modules, "spnego", None)
    fault = fault_of(await office.examine())
    assert fault.fault is Fault.MAILBOX_SCHEME_UNSUPPORTED
    assert "it offers Negotiate, NTLM" in fault.detail
    assert "pip install 'sitebind[negotiate]'" in fault.detail
    assert {seen.authorization for seen in internet.seen} == {""}


async def test_an_answer_that_echoes_the_sign_in_does_not_show_it(office: Office, internet: Internet) -> None:
    """Whatever a hostile server says, in whatever field: neither in a fault nor in what lives for one call."""
    echo = f"{PASSWORD} {answers.basic(ADDRESS, PASSWORD)}"
    with remembering() as made:
        for own in (lambda: answers.item_error("ErrorX", echo), lambda: answers.item_error(echo)):
            internet.sites[MAIL] = exchange(own=own)
            fault_of(await office.examine())
        internet.sites[MAIL] = Mail(
            ADDRESS, PASSWORD, soap=lambda _: answers.soap_user(f"<ErrorMessage>{echo}</ErrorMessage>", code=echo)
        )
        fault_of(await office.examine())
        internet.sites[MAIL] = Mail(ADDRESS, PASSWORD, soap=lambda _: answers.soap_redirect(f"http://x/?{echo}"))
        fault_of(await office.examine())
        internet.sites[MAIL] = Mail(ADDRESS, PASSWORD, pox=lambda _: answers.pox_error(1, echo))
        fault_of(await office.examine())
        error = {"ErrorCode": echo, "ErrorMessage": echo}
        internet.sites[MAIL] = Mail(ADDRESS, PASSWORD, json=lambda _: answers.as_json(error, 400))
        fault_of(await office.examine())
    assert hunt([given("the password", PASSWORD)], reprs(made)) == []


# --- impersonation ---


@pytest.mark.parametrize("probe", ["", ADDRESS.upper()])
async def test_without_another_mailbox_impersonation_is_unproven(
    office: Office, internet: Internet, probe: str
) -> None:
    """A warning, not a pass; on the account itself it is never tried."""
    examination = await office.examine(probe_address=probe)
    last = layer(examination, "impersonation")
    assert (last.status, last.fault) == ("warning", None)
    assert "it was not proved" in last.detail
    assert "[account] impersonation_probe" in last.remedy
    assert not any(b"ExchangeImpersonation" in seen.body for seen in internet.seen)


async def test_impersonation_that_is_off_is_skipped(office: Office, internet: Internet) -> None:
    examination = await office.examine(impersonates=False)
    last = layer(examination, "impersonation")
    assert last.status == "skipped"
    assert "[account] use_exchange_impersonation = no" in last.detail
    assert not any(b"ExchangeImpersonation" in seen.body for seen in internet.seen)


async def test_the_user_who_binds_is_the_probe_where_there_is_no_other(office: Office, internet: Internet) -> None:
    examination = await office.examine(probe_address="", bind_address=BINDER)
    last = layer(examination, "impersonation")
    assert last.status == "passed"
    assert f"opened the inbox of {BINDER} by impersonation" in last.detail
    assert f"autodiscover of {BINDER} at {MAIL} (SOAP)" in last.detail
    assert "which sitebind does not have" in last.detail


async def test_the_user_who_binds_is_looked_at_beside_the_probe(office: Office, internet: Internet) -> None:
    last = layer(await office.examine(bind_address=BINDER), "impersonation")
    assert last.status == "passed"
    assert f"{BINDER}, the user who binds, is mail enabled" in last.detail


async def test_trouble_of_the_user_who_binds_is_a_warning(office: Office, internet: Internet) -> None:
    """The mailbox account itself works."""
    internet.sites[MAIL] = exchange(others={BINDER: lambda: answers.item_error("ErrorNonExistentMailbox")})
    last = layer(await office.examine(bind_address=BINDER), "impersonation")
    assert (last.status, last.fault) == ("warning", None)
    assert f"the mailbox of {BINDER}, the user who binds, did not open" in last.detail
    assert f"Give {BINDER} ([binding] email) a mailbox" in last.remedy


async def test_a_user_who_binds_from_another_domain_costs_no_password(office: Office, internet: Internet) -> None:
    """Its domain's hosts are asked without the account's sign-in."""
    other = "https://autodiscover.other.test"
    internet.sites[other] = Mail(ADDRESS, PASSWORD, json=lambda _: answers.as_json({"Protocol": "EWS", "Url": EWS}))
    last = layer(await office.examine(bind_address="admin@other.test"), "impersonation")
    assert f"autodiscover of admin@other.test at {other} (JSON)" in last.detail
    assert [seen.authorization for seen in internet.asked(other)] == [""]


async def test_without_impersonation_the_user_who_binds_is_looked_at_as_far_as_possible(
    office: Office, internet: Internet
) -> None:
    last = layer(await office.examine(impersonates=False, bind_address=BINDER), "impersonation")
    assert last.status == "skipped"
    assert f"autodiscover of {BINDER} at {MAIL}" in last.detail
    assert f"whether {BINDER} is mail enabled was not looked at" in last.detail


async def test_a_user_who_binds_without_autodiscover_is_a_warning(office: Office, internet: Internet) -> None:
    last = layer(await office.examine(bind_address="admin@nowhere.test"), "impersonation")
    assert last.status == "warning"
    assert "autodiscover of admin@nowhere.test found nothing" in last.detail


async def test_a_proxy_that_ends_before_the_user_who_binds_is_a_warning(office: Office, internet: Internet) -> None:
    """The account was seen to work before."""

    def last() -> web.Response:
        internet.end()
        return answers.folder()

    internet.sites[MAIL] = exchange(others={PROBE: last})
    seen = layer(await office.examine(bind_address="admin@other.test"), "impersonation")
    assert (seen.status, seen.fault) == ("warning", None)
    assert "autodiscover of admin@other.test could not be asked: no connection to the proxy" in seen.detail


# --- Exchange Online ---

OUTLOOK = "https://outlook.office365.com"
TOKEN = "canary-token"
REGISTRATION = Registration(
    tenant_id="t",
    client_id="c",
    client_secret=Secret("canary-client-secret"),
    authority="https://login.microsoftonline.com",
    graph="https://graph.microsoft.com",
    outlook=OUTLOOK,
)


@pytest.fixture
def online(abroad: Office, internet: Internet) -> Office:
    """The adapter before Exchange Online, with an application's token."""
    abroad.access = type(abroad.access)(
        platform="microsoft-365",
        protocol="ews",
        smtp_address=ADDRESS,
        probe_address=PROBE,
        registration=REGISTRATION,
    )
    abroad.scopes = []  # type: ignore[attr-defined]

    async def token(scope: str) -> Secret:
        abroad.scopes.append(scope)  # type: ignore[attr-defined]
        return Secret(TOKEN)

    abroad.token = token
    internet.sites[OUTLOOK] = cloud()
    return abroad


def cloud(own: Callable[[], web.Response] = answers.folder, *, url: str = f"{OUTLOOK}{answers.EWS_PATH}") -> Mail:
    """Exchange Online. `own` answers for every mailbox but the probe's."""

    def ews(seen: Seen) -> web.Response:
        if seen.authorization != f"Bearer {TOKEN}":
            return answers.challenge('Bearer client_id="x"')
        return answers.folder() if PROBE.encode() in seen.body else own()

    json = answers.as_json
    return Mail("", "", ews=ews, json=lambda _: json({"Protocol": "EWS", "Url": url}), open_to_all=True)


async def test_online_the_application_impersonates_for_every_mailbox(online: Office, internet: Internet) -> None:
    """It has none of its own. The token is asked for once, for the cloud's own scope."""
    examination = await online.examine()
    assert outcome(examination) == [(name, "passed") for name in MAILBOX_LAYERS]
    assert examination.sightings[0].whereabouts == "microsoft-365"
    asked = [seen for seen in internet.asked(OUTLOOK) if seen.url.endswith("asmx")]
    assert [ADDRESS.encode() in seen.body for seen in asked] == [True, False]
    assert all(b"ExchangeImpersonation" in seen.body for seen in asked)
    assert online.scopes == [f"{OUTLOOK}/.default"]  # type: ignore[attr-defined]


async def test_online_a_switched_off_service_is_explained_as_that(online: Office, internet: Internet) -> None:
    internet.sites[OUTLOOK] = cloud(own=lambda: web.Response(status=403))
    fault = fault_of(await online.examine())
    assert fault.fault is Fault.EWS_DISABLED
    assert "EwsAllowedAppIDs" in fault.detail


async def test_online_a_token_that_is_not_taken_is_told_with_the_servers_reason(
    online: Office, internet: Internet
) -> None:
    def refused() -> web.Response:
        return web.Response(status=401, headers={"x-ms-diagnostics": f'2000010;reason="expired {TOKEN}"'})

    internet.sites[OUTLOOK] = cloud(own=refused)
    fault = fault_of(await online.examine())
    assert fault.fault is Fault.MAILBOX_SIGN_IN_REFUSED
    assert 'reason="expired ***"' in fault.detail


async def test_online_a_token_that_is_not_given_ends_at_the_sign_in(online: Office) -> None:
    async def refused(scope: str) -> Secret:
        raise ProviderFault(Fault.CLIENT_SECRET_EXPIRED, "AADSTS7000222")

    online.token = refused
    examination = await online.examine()
    assert outcome(examination)[-1] == ("mailbox sign-in", "client-secret-expired")


@pytest.mark.parametrize("way", ["settings", "redirect"])
async def test_online_a_mailbox_on_premises_gets_no_token(online: Office, internet: Internet, way: str) -> None:
    internet.sites[OUTLOOK] = cloud(url=EWS)
    internet.sites[MAIL] = exchange()
    if way == "redirect":
        there = f"{MAIL}/autodiscover/autodiscover.json/v1.0/{ADDRESS}?Protocol=EWS&RedirectCount=1"
        internet.sites[OUTLOOK] = answers.always(lambda: answers.moved(there))
        internet.sites[MAIL] = Mail("", "", json=lambda _: answers.as_json({"Protocol": "EWS", "Url": EWS}))
    examination = await online.examine()
    assert outcome(examination) == [("autodiscover", "mailbox-missing")]
    assert "lives on premises" in fault_of(examination).detail
    assert examination.sightings[0].whereabouts == "on-premises"
    assert {seen.authorization for seen in internet.seen} == {""}


async def test_online_a_right_that_is_lacking_ends_at_impersonation(online: Office, internet: Internet) -> None:
    internet.sites[OUTLOOK] = cloud(own=lambda: answers.item_error("ErrorAccessDenied"))
    examination = await online.examine(probe_address="")
    assert outcome(examination)[2:] == [("mail enabled", "warning"), ("impersonation", "impersonation-denied")]


async def test_in_hybrid_a_mailbox_that_moved_is_missing_on_premises(office: Office, internet: Internet) -> None:
    """Both are in use, so the Directory Type is right and the mailbox is what lacks."""
    internet.sites |= {MAIL: exchange(url=f"{OUTLOOK}{answers.EWS_PATH}"), OUTLOOK: cloud()}
    examination = await office.examine(registration=REGISTRATION)
    assert outcome(examination) == [("autodiscover", "mailbox-missing")]
    assert examination.sightings[0].whereabouts == "microsoft-365"


async def test_exchange_online_is_known_by_its_configured_address(office: Office, internet: Internet) -> None:
    """In a cloud of its own that nobody could tell by its name; the account's password stays here."""
    online = "https://online.own-cloud.test"
    internet.sites |= {MAIL: exchange(url=f"{online}{answers.EWS_PATH}"), online: cloud()}
    examination = await office.examine(exchange_online=online)
    assert outcome(examination) == [("autodiscover", "directory-type-contradicted")]
    assert examination.sightings[0].whereabouts == "microsoft-365"
    assert internet.asked(online) == []


@pytest.mark.parametrize("changes", [{"password": None}, {"platform": "microsoft-365"}])
async def test_an_account_without_a_sign_in_is_a_mistake_of_the_caller(
    office: Office, changes: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="needs"):
        await office.examine(**changes)
