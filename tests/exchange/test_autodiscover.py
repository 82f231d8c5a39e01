"""Autodiscover finds the mailbox's server, in the order of every client, and believes nobody who may have lied."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiohttp import web

from daemon.ports import Layer
from daemon.providers.autodiscover_srv import SrvRecords
from states import Fault
from tests.exchange import answers
from tests.exchange.answers import Mail
from tests.exchange.conftest import ADDRESS, PASSWORD, Office, layer
from tests.exchange.internet import Internet, Seen
from tests.providers.conftest import Authority

EWS = "https://mail.example.test/EWS/Exchange.asmx"
DOMAIN, AUTODISCOVER, MAIL = "https://example.test", "https://autodiscover.example.test", "https://mail.example.test"
PLAIN = "http://autodiscover.example.test"
STRANGER, CLOUD = "https://mail.stranger.test", "https://autodiscover-s.outlook.com"


def mail(**answering: Callable[[], web.Response]) -> Mail:
    """An Exchange of ours: by protocol, what it answers."""
    made = Mail(ADDRESS, PASSWORD)
    for protocol, answer in answering.items():
        setattr(made, protocol, lambda _seen, answer=answer: answer())
    return made


def finds(url: str = EWS) -> Mail:
    return mail(soap=lambda: answers.soap_settings(url), ews=answers.folder)


def sends(target: str, *, code: str = "RedirectUrl") -> Mail:
    return mail(soap=lambda: answers.soap_redirect(target, code=code))


async def discovered(abroad: Office, **changes: object) -> Layer:
    return layer(await abroad.examine(**changes), "autodiscover")


def with_password(internet: Internet, origin: str) -> list[Seen]:
    return [seen for seen in internet.asked(origin) if seen.authorization]


# --- the order of places ---


async def test_every_place_is_asked_in_order_and_what_it_said_is_told(abroad: Office, internet: Internet) -> None:
    """Nothing answers: the administrator reads each place with its own reason."""
    internet.sites[DOMAIN] = answers.always(lambda: web.Response(status=404))
    internet.sites[PLAIN] = answers.always(lambda: web.Response(status=200))
    found = await discovered(abroad)
    assert found.fault is not None
    assert found.fault.fault is Fault.AUTODISCOVER_FAILED
    said = found.fault.detail
    positions = [said.index(place) for place in (f"{DOMAIN}:", f"{AUTODISCOVER}:", f"{PLAIN}:", "SRV _autodiscover")]
    assert positions == sorted(positions)
    assert "SOAP: 404, POX: 404, JSON: 404" in said
    assert "200 instead of a redirect" in said
    assert "there is no such record" in said


@pytest.mark.parametrize("place", [DOMAIN, AUTODISCOVER])
async def test_a_place_of_the_domain_is_found(abroad: Office, internet: Internet, place: str) -> None:
    """By SOAP, and the layer says where it leads."""
    internet.sites |= {place: finds(), MAIL: finds()}
    examination = await abroad.examine()
    assert [each.fault for each in examination.layers] == [None] * 4
    found = layer(examination, "autodiscover")
    assert found.status == "passed"
    assert f"at {place} (SOAP) leads to {EWS}" in found.detail
    assert [sighting.whereabouts for sighting in examination.sightings] == ["on-premises"]
    assert examination.sightings[0].seen == f"autodiscover of {ADDRESS} leads to mail.example.test"


async def test_the_configured_place_goes_first(abroad: Office, internet: Internet) -> None:
    """And where it knows, nobody else is asked."""
    internet.sites |= {STRANGER: finds(), DOMAIN: finds(), MAIL: finds()}
    found = await discovered(abroad, autodiscover_url=STRANGER)
    assert f"at {STRANGER} (SOAP)" in found.detail
    assert internet.asked(DOMAIN) == []


async def test_the_redirect_of_plain_http_is_followed_into_the_domain(abroad: Office, internet: Internet) -> None:
    """Asked without credentials; the host that it names proves itself over TLS."""
    internet.sites |= {PLAIN: answers.always(lambda: answers.moved(f"{MAIL}/autodiscover/autodiscover.xml"))}
    internet.sites[MAIL] = finds()
    found = await discovered(abroad)
    assert (found.status, found.fault) == ("passed", None)
    assert [seen.authorization for seen in internet.asked(PLAIN)] == [""]


async def test_the_srv_record_is_followed_into_the_domain(abroad: Office, internet: Internet) -> None:
    """The preferred one first."""
    internet.srv["_autodiscover._tcp.example.test"] = [
        (20, 0, 443, "b.example.test"),
        (10, 0, 443, "mail.example.test"),
    ]
    internet.sites[MAIL] = finds()
    found = await discovered(abroad)
    assert (found.status, found.fault) == ("passed", None)
    assert not any("b.example.test" in target for target in internet.refused)


async def test_a_record_that_says_there_is_none_leads_nowhere(abroad: Office, internet: Internet) -> None:
    internet.srv["_autodiscover._tcp.example.test"] = [(0, 0, 0, "")]
    found = await discovered(abroad)
    assert found.fault is not None
    assert "SRV _autodiscover._tcp.example.test: its record says that there is none" in found.fault.detail


async def test_a_name_server_that_is_gone_is_told(abroad: Office, internet: Internet, authority: Authority) -> None:
    async with Internet(authority).running() as other:
        port = other.dns_port
    abroad.srv = SrvRecords(["127.0.0.1"], port=port, seconds=0.2)
    found = await discovered(abroad)
    assert found.fault is not None
    assert "SRV _autodiscover._tcp.example.test: no name server answered" in found.fault.detail


async def test_the_wait_that_a_place_asks_for_is_kept(abroad: Office, internet: Internet) -> None:
    internet.sites |= {
        DOMAIN: answers.always(lambda: web.Response(status=503, headers={"Retry-After": "7"})),
        AUTODISCOVER: answers.always(lambda: web.Response(status=429, headers={"Retry-After": "3"})),
    }
    found = await discovered(abroad)
    assert found.fault is not None
    assert found.fault.retry_after == 7.0
    assert [len(internet.asked(place)) for place in (DOMAIN, AUTODISCOVER)] == [1, 1]


# --- the protocols ---


@pytest.mark.parametrize("kind", ["EXPR", "WEB", "EXCH"])
async def test_pox_is_asked_where_soap_is_not_served(abroad: Office, internet: Internet, kind: str) -> None:
    internet.sites[DOMAIN] = mail(pox=lambda: answers.pox_settings(EWS, kind=kind))
    assert f"at {DOMAIN} (POX) leads to {EWS}" in (await discovered(abroad)).detail


async def test_json_is_asked_last_and_without_a_sign_in(abroad: Office, internet: Internet) -> None:
    internet.sites[DOMAIN] = mail(json=lambda: answers.as_json({"Protocol": "EWS", "Url": EWS}))
    assert f"at {DOMAIN} (JSON) leads to {EWS}" in (await discovered(abroad)).detail
    assert with_password(internet, DOMAIN) == []


async def test_the_inner_address_is_taken_where_there_is_no_outer_one(abroad: Office, internet: Internet) -> None:
    internet.sites[DOMAIN] = mail(soap=lambda: answers.soap_settings(EWS, name="InternalEwsUrl"))
    assert EWS in (await discovered(abroad)).detail


REFUSALS = {
    "SOAP: InvalidUser": (mail(soap=lambda: answers.soap_user("", code="InvalidUser")), Fault.MAILBOX_MISSING),
    "POX: error 500 (Unknown.)": (mail(pox=lambda: answers.pox_error(500, "Unknown.")), Fault.MAILBOX_MISSING),
    "JSON: UserNotFound": (
        mail(json=lambda: answers.as_json({"ErrorCode": "UserNotFound"}, 404)),
        Fault.MAILBOX_MISSING,
    ),
    "SOAP: ServerBusy": (mail(soap=lambda: answers.soap_user("", code="ServerBusy")), Fault.AUTODISCOVER_FAILED),
    "POX: error 601": (mail(pox=lambda: answers.pox_error(601, "")), Fault.AUTODISCOVER_FAILED),
    "JSON: ProtocolNotSupported": (
        mail(json=lambda: answers.as_json({"ErrorCode": "ProtocolNotSupported"}, 400)),
        Fault.AUTODISCOVER_FAILED,
    ),
    "SOAP: no address of EWS": (mail(soap=lambda: answers.soap_user("")), Fault.AUTODISCOVER_FAILED),
    "POX: no address of EWS": (mail(pox=lambda: answers.pox("<Action>settings</Action>")), Fault.AUTODISCOVER_FAILED),
    "JSON: no address": (mail(json=lambda: answers.as_json({"Protocol": "EWS"})), Fault.AUTODISCOVER_FAILED),
    'SOAP: a SOAP fault "It did not work."': (mail(soap=lambda: answers.header_fault("x")), Fault.AUTODISCOVER_FAILED),
    "POX: XML that is no answer": (mail(pox=lambda: answers.xml("<a/>")), Fault.AUTODISCOVER_FAILED),
    "SOAP: XML that is no answer": (mail(soap=lambda: answers.xml("<a/>")), Fault.AUTODISCOVER_FAILED),
    "SOAP: 503, it asks to wait": (mail(soap=lambda: web.Response(status=503)), Fault.AUTODISCOVER_FAILED),
}


@pytest.mark.parametrize("said", REFUSALS)
async def test_what_a_server_says_instead_of_an_address_is_told(abroad: Office, internet: Internet, said: str) -> None:
    """An address that the server does not know is the account's mistake; all else is autodiscover's."""
    internet.sites[DOMAIN], fault = REFUSALS[said]
    found = await discovered(abroad)
    assert found.fault is not None
    assert found.fault.fault is fault
    assert said in found.fault.detail


# --- redirects ---


async def test_redirects_are_followed_over_https(abroad: Office, internet: Internet) -> None:
    """By an answer of SOAP or POX, or by HTTP itself."""
    internet.sites |= {
        DOMAIN: sends("https://a.example.test/autodiscover/autodiscover.svc"),
        "https://a.example.test": mail(
            pox=lambda: answers.pox("<Action>redirectUrl</Action><RedirectUrl>https://b.example.test/x</RedirectUrl>")
        ),
        "https://b.example.test": answers.always(lambda: answers.moved(f"{MAIL}/autodiscover/autodiscover.svc")),
        MAIL: finds(),
    }
    found = await discovered(abroad)
    assert (found.status, found.fault) == ("passed", None)
    assert f"at {MAIL}" in found.detail


async def test_a_redirect_to_another_address_restarts_with_it(abroad: Office, internet: Internet) -> None:
    internet.sites |= {
        AUTODISCOVER: sends("sync@in.example.test", code="RedirectAddress"),
        "https://autodiscover.in.example.test": mail(
            pox=lambda: answers.pox("<Action>redirectAddr</Action><RedirectAddr>s@example.test</RedirectAddr>")
        ),
        DOMAIN: mail(),
        MAIL: finds(),
    }

    def by_address(seen: Seen, connection: object) -> web.Response:
        sent = b"<a:Mailbox>s@example.test<" in seen.body
        return (finds() if sent else internet.sites["kept"])(seen, connection)

    internet.sites["kept"] = internet.sites[AUTODISCOVER]
    internet.sites[AUTODISCOVER] = by_address
    found = await discovered(abroad)
    assert (found.status, found.fault) == ("passed", None)
    assert f"at {AUTODISCOVER} (SOAP) leads to {EWS}" in found.detail


async def test_a_circle_is_found_and_told(abroad: Office, internet: Internet) -> None:
    internet.sites |= {DOMAIN: sends(f"{AUTODISCOVER}/x"), AUTODISCOVER: sends(f"{DOMAIN}/x")}
    found = await discovered(abroad)
    assert found.fault is not None
    assert found.fault.fault is Fault.AUTODISCOVER_FAILED
    assert f"redirects in a circle: {DOMAIN} → {AUTODISCOVER} → {DOMAIN}" in found.fault.detail


async def test_a_circle_of_addresses_is_found_and_told(abroad: Office, internet: Internet) -> None:
    internet.sites |= {
        DOMAIN: sends("x@b.example.test", code="RedirectAddress"),
        "https://b.example.test": sends(ADDRESS, code="RedirectAddress"),
    }
    found = await discovered(abroad)
    assert found.fault is not None
    assert f"circle: {DOMAIN} for {ADDRESS} → https://b.example.test for x@b.example.test → " in found.fault.detail


async def test_more_than_ten_redirects_are_not_followed(abroad: Office, internet: Internet) -> None:
    """Each to another host, so that no circle shows."""
    internet.sites[DOMAIN] = sends("https://h0.example.test/")
    for number in range(20):
        internet.sites[f"https://h{number}.example.test"] = sends(f"https://h{number + 1}.example.test/")
    found = await discovered(abroad)
    assert found.fault is not None
    assert found.fault.fault is Fault.AUTODISCOVER_FAILED
    assert "redirected more than 10 times" in found.fault.detail
    assert internet.asked("https://h10.example.test") == []


UNUSABLE = (
    "http://mail.example.test/EWS/Exchange.asmx",
    "https://user@mail.example.test/EWS/Exchange.asmx",
    "ftp://mail.example.test",
    "https://[mail",
    "https://mail.example.test:99999/",
)


@pytest.mark.parametrize("url", UNUSABLE)
async def test_only_plain_https_is_called(abroad: Office, internet: Internet, url: str) -> None:
    """Neither as a redirect nor as the address of EWS: plain HTTP would carry the password in the open."""
    internet.sites[PLAIN.replace("autodiscover.", "mail.")] = finds()
    for site in (sends(url), finds(url)):
        internet.sites[DOMAIN] = site
        found = await discovered(abroad)
        assert found.fault is not None
        assert f'leads to "{url}", which is not called' in found.fault.detail
    assert [seen for seen in internet.seen if seen.url.startswith("http://mail")] == []


async def test_a_page_for_people_is_no_redirect_of_autodiscover(abroad: Office, internet: Internet) -> None:
    internet.sites[DOMAIN] = answers.always(lambda: answers.moved("/owa/auth/logon.aspx"))
    found = await discovered(abroad)
    assert found.fault is not None
    assert "302 to another page of the same host" in found.fault.detail


async def test_an_address_that_is_none_is_not_restarted_with(abroad: Office, internet: Internet) -> None:
    internet.sites[DOMAIN] = sends("nobody", code="RedirectAddress")
    found = await discovered(abroad)
    assert found.fault is not None
    assert 'sends to "nobody", which is no mail address' in found.fault.detail


async def test_a_redirect_to_what_is_no_address_leads_nowhere(abroad: Office, internet: Internet) -> None:
    internet.sites[DOMAIN] = answers.always(lambda: answers.moved("https://[mail"))
    found = await discovered(abroad)
    assert found.fault is not None
    assert "302 to what is no address" in found.fault.detail


PLAIN_TROUBLE = {
    "the proxy wants a sign-in for plain HTTP": lambda: web.Response(status=407),
    "is larger than": lambda: web.Response(body=b" " * 2**21),
    "302 to what is no address": lambda: answers.moved("http://[x"),
    "which is not called: it is not https": lambda: answers.moved("http://mail.example.test/"),
}


@pytest.mark.parametrize("said", PLAIN_TROUBLE)
async def test_trouble_over_plain_http_is_told(abroad: Office, internet: Internet, said: str) -> None:
    internet.sites[PLAIN] = answers.always(PLAIN_TROUBLE[said])
    found = await discovered(abroad)
    assert found.fault is not None
    assert f"{PLAIN}: " in found.fault.detail
    assert said in found.fault.detail


# --- trust ---


def forged_http(internet: Internet) -> None:
    internet.sites[PLAIN] = answers.always(lambda: answers.moved(f"{STRANGER}/autodiscover/autodiscover.xml"))


def forged_srv(internet: Internet) -> None:
    internet.srv["_autodiscover._tcp.example.test"] = [(0, 0, 443, "mail.stranger.test")]


@pytest.mark.parametrize("forge", [forged_http, forged_srv])
async def test_a_stranger_named_by_a_forgeable_way_gets_nothing(
    abroad: Office, internet: Internet, forge: Callable[[Internet], None]
) -> None:
    """Not even a request: whoever sits on the way would be sent the password."""
    forge(internet)
    internet.sites[STRANGER] = finds(f"{STRANGER}/EWS/Exchange.asmx")
    found = await discovered(abroad)
    assert found.fault is not None
    assert found.fault.fault is Fault.AUTODISCOVER_UNTRUSTED
    assert f"{STRANGER}: not asked" in found.fault.detail
    assert internet.asked(STRANGER) == []


@pytest.mark.parametrize("way", ["settings", "redirect"])
async def test_microsoft_does_not_vouch_for_a_stranger_where_the_way_to_it_can_be_forged(
    abroad: Office, internet: Internet, way: str
) -> None:
    internet.sites |= {
        PLAIN: answers.always(lambda: answers.moved(f"{CLOUD}/autodiscover/autodiscover.xml")),
        CLOUD: mail(json=lambda: answers.as_json({"Protocol": "EWS", "Url": f"{STRANGER}/EWS/Exchange.asmx"})),
        STRANGER: finds(f"{STRANGER}/EWS/Exchange.asmx"),
    }
    if way == "redirect":
        there = f"{STRANGER}/autodiscover/autodiscover.json/v1.0/{ADDRESS}?Protocol=EWS"
        internet.sites[CLOUD] = answers.always(lambda: answers.moved(there))
    found = await discovered(abroad)
    assert found.fault is not None
    assert found.fault.fault is Fault.AUTODISCOVER_UNTRUSTED
    assert internet.asked(STRANGER) == []


@pytest.mark.parametrize("forge", [forged_http, forged_srv])
async def test_a_stranger_that_the_configuration_names_is_asked(
    abroad: Office, internet: Internet, forge: Callable[[Internet], None]
) -> None:
    forge(internet)
    internet.sites[STRANGER] = finds(f"{STRANGER}/EWS/Exchange.asmx")
    examination = await abroad.examine(trusted_hosts=("stranger.test",))
    assert {each.status for each in examination.layers} == {"passed"}
    assert with_password(internet, STRANGER)


@pytest.mark.parametrize("site", [sends(STRANGER), finds(f"{STRANGER}/EWS/Exchange.asmx")])
async def test_an_answer_that_leaves_the_domain_is_a_warning(abroad: Office, internet: Internet, site: Mail) -> None:
    """The domain's own host says so over https, so it is followed; a person has to confirm it."""
    internet.sites |= {DOMAIN: site, STRANGER: finds(f"{STRANGER}/EWS/Exchange.asmx")}
    found = await discovered(abroad)
    assert (found.status, found.fault) == ("warning", None)
    assert "this leaves the domain example.test (mail.stranger.test)" in found.detail
    assert "trusted_hosts" in found.remedy


async def test_an_address_of_another_domain_is_a_warning(abroad: Office, internet: Internet) -> None:
    internet.sites |= {
        DOMAIN: sends("sync@other.test", code="RedirectAddress"),
        "https://autodiscover.other.test": finds("https://mail.other.test/EWS/Exchange.asmx"),
    }
    found = await discovered(abroad)
    assert found.status == "warning"
    assert "(other.test)" in found.detail


@pytest.mark.parametrize("way", ["http", "soap", "settings"])
async def test_microsoft_gets_no_password_and_the_contradiction_is_told(
    abroad: Office, internet: Internet, way: str
) -> None:
    """Exchange on premises is configured, but the mailbox lives in Microsoft 365."""
    cloud_ews = "https://outlook.office365.com/EWS/Exchange.asmx"
    internet.sites[CLOUD] = mail(json=lambda: answers.as_json({"Protocol": "EWS", "Url": cloud_ews}))
    match way:
        case "http":
            internet.sites[PLAIN] = answers.always(lambda: answers.moved(f"{CLOUD}/autodiscover/autodiscover.xml"))
        case "soap":
            internet.sites[AUTODISCOVER] = sends(f"{CLOUD}/autodiscover/autodiscover.svc")
        case _:
            internet.sites[AUTODISCOVER] = finds(cloud_ews)
    examination = await abroad.examine()
    assert [each.name for each in examination.layers] == ["autodiscover"]
    fault = examination.layers[0].fault
    assert fault is not None
    assert fault.fault is Fault.DIRECTORY_TYPE_CONTRADICTED
    assert "leads to outlook.office365.com: its mailbox lives in Microsoft 365" in fault.detail
    assert [sighting.whereabouts for sighting in examination.sightings] == ["microsoft-365"]
    assert with_password(internet, CLOUD) == []


async def test_an_address_in_the_tenant_leads_to_microsoft(abroad: Office, internet: Internet) -> None:
    """As hybrid writes it for a mailbox that has moved; the tenant's own hosts get no password either."""
    tenant = "https://autodiscover.example.mail.onmicrosoft.com"
    internet.sites |= {
        AUTODISCOVER: sends("sync@example.mail.onmicrosoft.com", code="RedirectAddress"),
        tenant: answers.always(answers.challenge),
    }
    examination = await abroad.examine()
    assert examination.layers[-1].fault is not None
    assert examination.layers[-1].fault.fault is Fault.DIRECTORY_TYPE_CONTRADICTED
    assert examination.sightings[0].whereabouts == "microsoft-365"
    assert internet.asked(tenant) != []
    assert with_password(internet, tenant) == []


async def test_microsoft_that_says_nothing_is_still_where_it_leads(abroad: Office, internet: Internet) -> None:
    internet.sites |= {AUTODISCOVER: sends(CLOUD), CLOUD: answers.always(lambda: web.Response(status=500))}
    examination = await abroad.examine()
    assert examination.sightings[0].seen == f"autodiscover of {ADDRESS} leads to autodiscover-s.outlook.com"


async def test_microsoft_that_sends_back_on_premises_is_followed(abroad: Office, internet: Internet) -> None:
    """A domain whose autodiscover points at Microsoft, with this mailbox still on premises."""
    internet.sites |= {
        PLAIN: answers.always(lambda: answers.moved(f"{CLOUD}/autodiscover/autodiscover.xml")),
        CLOUD: mail(json=lambda: answers.as_json({"Protocol": "EWS", "Url": EWS})),
        MAIL: finds(),
    }
    examination = await abroad.examine()
    assert {each.status for each in examination.layers} == {"passed"}
    assert [sighting.whereabouts for sighting in examination.sightings] == ["on-premises"]


# --- sign-in at autodiscover ---


async def test_a_single_401_is_not_a_wrong_password(abroad: Office, internet: Internet) -> None:
    """A website of the domain behind a password of its own; the next place takes the account's."""
    internet.sites |= {DOMAIN: answers.always(answers.challenge), AUTODISCOVER: finds(), MAIL: finds()}
    examination = await abroad.examine()
    assert {each.status for each in examination.layers} == {"passed"}
    assert f"{DOMAIN}: SOAP: example.test did not accept" in layer(examination, "autodiscover").detail


async def test_a_password_that_every_place_refuses_is_the_fault_of_the_sign_in(
    abroad: Office, internet: Internet
) -> None:
    """One try a place: POX of a host that refused by SOAP is not tried, so that the account is not locked."""
    internet.sites |= {place: answers.always(answers.challenge) for place in (DOMAIN, AUTODISCOVER)}
    examination = await abroad.examine()
    assert [(each.name, each.status) for each in examination.layers] == [
        ("autodiscover", "warning"),
        ("mailbox sign-in", "passed"),
    ]
    fault = examination.layers[-1].fault
    assert fault is not None
    assert fault.fault is Fault.MAILBOX_SIGN_IN_REFUSED
    assert [len(with_password(internet, place)) for place in (DOMAIN, AUTODISCOVER)] == [1, 1]


async def test_a_website_that_asks_for_nothing_learns_no_password(abroad: Office, internet: Internet) -> None:
    internet.sites |= {
        DOMAIN: answers.always(lambda: web.Response(body=b"<!DOCTYPE html><html>hello")),
        AUTODISCOVER: finds(),
        MAIL: finds(),
    }
    assert (await discovered(abroad)).fault is None
    assert with_password(internet, DOMAIN) == []


# --- a broken way ---


async def test_a_proxy_that_is_gone_is_told_once(abroad: Office, internet: Internet) -> None:
    """What holds for every place alike is not told place by place."""
    abroad.route = type(abroad.route)(use_proxy=True, proxy_host="127.0.0.1", proxy_port=1)
    found = await discovered(abroad)
    assert found.fault is not None
    assert found.fault.fault is Fault.PROXY_UNREACHABLE


async def test_a_configured_place_that_cannot_be_reached_is_what_is_told(abroad: Office, internet: Internet) -> None:
    """When no other place answers either; the certificate of a middlebox is mended in [connection] ca_file."""
    abroad.route = type(abroad.route)(use_proxy=True, proxy_host="127.0.0.1", proxy_port=internet.port)
    internet.sites |= {"https://mail.example.test": finds()}
    found = await discovered(abroad, autodiscover_url=MAIL)
    assert found.fault is not None
    assert found.fault.fault is Fault.CERTIFICATE_UNTRUSTED
