"""Graph's records as objects, searches by what they look like, and autodiscover's leads: without a wire."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.ports import DirectoryObject, ProviderFault
from daemon.providers import graph_wanted
from daemon.providers.answer import Answer
from daemon.providers.cloud_autodiscover import read_lead
from daemon.providers.graph_objects import CONTACT, GROUP, USER, directory_object
from daemon.providers.graph_reasons import Search, of_missing
from daemon.providers.quoting import LONGEST

ID = "0A1B2C3D-0000-4000-8000-000000000001"


def made(collection: Any = USER, **record: Any) -> DirectoryObject:
    found = directory_object({"id": ID, "displayName": "One", **record}, collection, source="graph:here")
    assert found is not None
    return found


# --- objects -----------------------------------------------------------------------------------


def test_an_id_is_in_lower_case() -> None:
    """So that it is equal to the same one from another directory."""
    assert made().id == ID.lower()


@pytest.mark.parametrize("record", [{}, {"id": None}, {"id": ""}, {"id": 7}])
def test_a_record_without_an_id_is_none_to_be_shown(record: dict[str, Any]) -> None:
    """Graph hides so what the application may not see."""
    assert directory_object(record, USER, source="graph:here") is None


@pytest.mark.parametrize(
    "record, addresses",
    [
        ({"proxyAddresses": ["smtp:B@x.test", "SMTP:A@x.test", "SIP:a@x.test", "X500:/o=x"]}, ("a@x.test", "b@x.test")),
        ({"proxyAddresses": ["smtp:b@x.test"], "mail": "A@x.test"}, ("a@x.test", "b@x.test")),
        ({"proxyAddresses": ["SMTP:a@x.test"], "mail": "A@X.test"}, ("a@x.test",)),
        ({"mail": "a@x.test", "proxyAddresses": None}, ("a@x.test",)),
        ({"proxyAddresses": ["SMTP:", 7, ""]}, ()),
        ({}, ()),
    ],
)
def test_addresses_are_plain_and_the_primary_one_comes_first(
    record: dict[str, Any], addresses: tuple[str, ...]
) -> None:
    found = made(**record)
    assert found.addresses == addresses
    assert found.primary_address == (addresses[0] if addresses else "")
    assert found.mail_enabled is bool(addresses)


def test_what_graph_does_not_say_is_not_made_up() -> None:
    """An account of which nothing is said is not called enabled."""
    assert made().enabled is None
    assert made(accountEnabled="yes").enabled is None
    assert made(assignedLicenses=[]).licensed is False
    assert (made(CONTACT).enabled, made(CONTACT).licensed, made(GROUP).licensed) == (None, None, None)


def test_a_group_says_itself_whether_it_receives_mail() -> None:
    """A security group may have an address of old."""
    assert made(GROUP, mail="a@x.test", mailEnabled=False).mail_enabled is False
    assert made(GROUP, mail="a@x.test").mail_enabled is True


# --- searches ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, by",
    [
        ("ada@example.test", "address"),
        ("SMTP:ada@example.test", "address"),
        ("o'neill@example.test", "address"),
        ("Ada Lovelace", "name"),
        ("ada @ home", "name"),
        ("@example.test", "name"),
        ("ada@", "name"),
        (ID, "id"),
        (f"{{{ID}}}", "id"),
        ("CN=Ada,DC=example,DC=test", "distinguished name"),
        ("ou=Staff, dc=test", "distinguished name"),
        ("", "name"),
    ],
)
def test_a_search_is_told_by_what_it_looks_like(text: str, by: str) -> None:
    assert graph_wanted.read(text).by == by


@given(st.text())
def test_whatever_is_asked_for_stays_inside_its_filter(text: str) -> None:
    """Outside of literals there is nothing but our own words."""
    sought = graph_wanted.read(text)
    asks = [sought.ask(USER), sought.near(GROUP)]
    for ask in asks:
        assert ask.url.isascii()
        assert not set(ask.url) & set(" #\"'<>\n")
    if sought.by in {"address", "name"}:
        outside = "".join(asks[0].query["$filter"].replace("''", "").split("'")[::2])
        assert set(outside) <= set("proxyAddresses/any(x:x eq ) or mail eq userPrincipalName displayName mailNickname")


def test_near_misses_are_ordered_by_likeness() -> None:
    people = [made(id=str(n), displayName=name, mail=f"{name}@x.test") for n, name in enumerate(("anna", "ann", "zoe"))]
    assert [one.display_name for one in graph_wanted.nearest(graph_wanted.read("anne@x.test"), people)] == [
        "ann",
        "anna",
    ]


def searched(wanted: graph_wanted.Wanted, **found: Any) -> Search:
    nothing: dict[str, Any] = {"kinds": ["user"], "candidates": [], "alike": [], "tenant": None, "unread": False}
    return Search(wanted=wanted, **(nothing | found))


def test_a_reason_quotes_foreign_names_on_one_line() -> None:
    """Nobody writes into our sentences by calling a group something."""
    group = made(GROUP, displayName="Bad\r\nName" + "x" * 500)
    wanted = graph_wanted.Wanted(group.display_name, "name")
    reason = of_missing(searched(wanted, candidates=[group]))[0]
    assert "\n" not in reason
    assert len(reason) < LONGEST + 100


def test_many_domains_of_a_tenant_are_not_all_listed() -> None:
    tenant = {"verifiedDomains": [{"name": f"d{number}.test"} for number in range(9)] + [None, {"name": 7}]}
    reason = of_missing(searched(graph_wanted.read("a@b.test"), tenant=tenant))[0]
    assert "d4.test, …" in reason
    assert "d5.test" not in reason


# --- autodiscover's leads ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "named, in_cloud, secure",
    [
        ("https://outlook.office365.com/EWS/Exchange.asmx", True, True),
        ("https://OUTLOOK.office365.com:443/EWS", True, True),
        ("https://eur.outlook.office365.com/EWS", True, True),
        ("https://smtp.office365.com/EWS", True, True),
        ("https://mail.example.test/EWS/Exchange.asmx", False, True),
        ("http://mail.example.test/EWS", False, False),
        ("https://outlook.office365.com.example.test/EWS", False, True),
        ("https://office365.com.test/", False, True),
    ],
)
def test_only_hosts_of_the_service_are_the_cloud(named: str, in_cloud: bool, secure: bool) -> None:
    answer = Answer(status=200, headers={}, body=b"", json=None)
    lead = read_lead(named, "https://outlook.office365.com", answer=answer, redirected=False)
    assert (lead.in_cloud, lead.secure) == (in_cloud, secure)


@pytest.mark.parametrize("named", ["https:///EWS", "nowhere", "https://[::1/EWS", ""])
def test_an_address_without_a_host_is_malformed(named: str) -> None:
    answer = Answer(status=200, headers={}, body=b"", json=None)
    with pytest.raises(ProviderFault, match="names no address of a server"):
        read_lead(named, "https://outlook.office365.com", answer=answer, redirected=False)


def test_another_port_of_the_same_machine_is_another_server() -> None:
    """As in the sandbox, where Exchange and the cloud are two ports of one host."""
    answer = Answer(status=302, headers={}, body=b"", json=None)
    assert not read_lead("https://localhost:2/x", "https://localhost:1", answer=answer, redirected=True).in_cloud
