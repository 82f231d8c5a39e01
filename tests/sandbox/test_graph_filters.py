"""Graph's `$filter` and `$search`: what holds of whom, what is advanced, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.sandbox.graph_failures import GraphRefusal
from daemon.sandbox.graph_filters import Condition, parse_filter, parse_search
from daemon.sandbox.graph_kinds import CONTACT, GROUP, USER, Kind, kind_of
from daemon.sandbox.tenant import Group, Person, Tenant, demo_tenant, identity
from tests.sandbox.graph_client import EVENTUAL

if TYPE_CHECKING:
    from tests.sandbox.graph_client import GraphClient

TENANT = demo_tenant()
ITEMS: dict[str, tuple[Kind, list[object]]] = {
    "users": (USER, list(TENANT.people.values())),
    "groups": (GROUP, list(TENANT.groups.values())),
    "contacts": (CONTACT, list(TENANT.contacts.values())),
}


def holding(condition: Condition, items: list[object]) -> list[str]:
    return [kind_of(item).properties["displayName"](item) for item in items if condition.holds(item)]


PLAIN = [
    ("users", "mail eq 'ADA.Lovelace@example.test'", ["Ada Lovelace"]),
    ("users", "userPrincipalName eq 'ada.lovelace@example.test'", ["Ada Lovelace"]),
    ("users", f"id eq '{identity('ada.lovelace@example.test')}'", ["Ada Lovelace"]),
    ("users", "id in ('nobody', '" + identity("zoe.muller@example.test") + "')", ["Zoë Müller"]),
    ("users", "proxyAddresses/any(x:x eq 'smtp:ADA@example.test')", ["Ada Lovelace"]),
    ("users", "proxyAddresses/any(p:p eq 'SMTP:ada.lovelace@example.test')", ["Ada Lovelace"]),
    ("users", "proxyAddresses/any(x:startswith(x,'smtp:grace'))", ["Grace Hopper"]),
    ("users", "proxyAddresses/any( x : x in ( 'smtp:a@b' , 'smtp:grace@example.test' ) )", ["Grace Hopper"]),
    ("users", "startswith(displayName,'sync')", ["Synchronization Engine", "Sync Admin"]),
    ("users", "startswith(displayName,'z') or startswith(mail,'grace')", ["Grace Hopper", "Zoë Müller"]),
    ("users", "(accountEnabled eq false or mail eq 'x') and startswith(displayName,'Left')", ["Left Company"]),
    ("users", "accountEnabled eq true and onPremisesSyncEnabled eq true", []),
    ("users", "onPremisesSyncEnabled eq null and startswith(mail, 'ada')", ["Ada Lovelace"]),
    ("users", "displayName eq 'O''Hara'", []),
    ("groups", "displayName eq 'all staff'", ["All Staff"]),
    ("groups", "proxyAddresses/any(x:x eq 'smtp:everybody@example.test')", ["All Staff"]),
    ("groups", "mailEnabled eq false and securityEnabled eq true", ["Compilers", "Door Badges"]),
    ("groups", "startswith(mail,'s')", ["Sales"]),
    ("groups", "groupTypes/any(c:c eq 'Unified')", []),
    ("contacts", "proxyAddresses/any(x:x eq 'SMTP:partner@partner.test')", ["A Partner"]),
]


@pytest.mark.parametrize("kind,text,names", PLAIN)
def test_a_plain_filter_finds_whom_it_describes(kind: str, text: str, names: list[str]) -> None:
    condition = parse_filter(text, ITEMS[kind][0])
    assert holding(condition, ITEMS[kind][1]) == names
    assert not condition.advanced


ADVANCED = [
    ("users", "endswith(mail,'.MULLER@example.test')", ["Zoë Müller"]),
    ("users", "not startswith(displayName,'s') and accountEnabled ne true", ["Left Company"]),
    ("groups", "mail ne null and not (startswith(mail,'e') or startswith(mail,'s'))", ["All Staff"]),
]


@pytest.mark.parametrize("kind,text,names", ADVANCED)
def test_an_advanced_filter_is_told_apart(kind: str, text: str, names: list[str]) -> None:
    condition = parse_filter(text, ITEMS[kind][0])
    assert holding(condition, ITEMS[kind][1]) == names
    assert condition.advanced


def test_the_prefix_of_a_proxy_address_counts_as_it_is_written() -> None:
    """Primary addresses and aliases are asked for separately; a client that asks for one spelling misses half."""
    for text in ("smtp:ada.lovelace@example.test", "SMTP:ada@example.test"):
        assert holding(parse_filter(f"proxyAddresses/any(x:x eq '{text}')", USER), ITEMS["users"][1]) == []


def test_a_quote_in_a_text_is_doubled() -> None:
    person = Person(address="o.hara@example.test", display_name="O'Hara")
    assert parse_filter("displayName eq 'O''Hara'", USER).holds(person)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mail",
        "mail eq",
        "mail eq ada",
        "mail eq ada@example.test",
        "mail eq 'ada",
        "mail eq 'a' or",
        "mail eq 'a' mail eq 'b'",
        "mail like 'a'",
        "nothing eq 'a'",
        "startswith(nothing,'a')",
        "startswith(mail,true)",
        "startswith(mail 'a')",
        "startswith('a',mail)",
        "(mail eq 'a'",
        "mail in 'a'",
        "mail in ('a'",
        "proxyAddresses/all(x:x eq 'a')",
        "proxyAddresses/any(x:y eq 'a')",
        "proxyAddresses/any(x:startswith(y,'a'))",
        "proxyAddresses/any('x':x eq 'a')",
        "nothing/any(x:x eq 'a')",
        "mail eq 'a' ; drop",
        "'a' eq mail",
    ],
)
def test_a_malformed_filter_is_a_bad_request(text: str) -> None:
    with pytest.raises(GraphRefusal) as caught:
        parse_filter(text, USER)
    assert (caught.value.status, caught.value.code) == (400, "BadRequest")


@pytest.mark.parametrize(
    "text,names",
    [
        ('"displayName:hop"', ["Grace Hopper"]),
        ('"mail:ada" OR "displayName:zoë"', ["Ada Lovelace", "Zoë Müller"]),
        ('"displayName:sync" AND "mail:sync.admin"', ["Sync Admin"]),
        ('"proxyAddresses:countess"', ["Ada Lovelace"]),
        ('"jobTitle:x"', []),
    ],
)
def test_a_search_finds_beginnings_of_words(text: str, names: list[str]) -> None:
    condition = parse_search(text, USER)
    assert holding(condition, ITEMS["users"][1]) == names
    assert condition.advanced


@pytest.mark.parametrize(
    "text", ["", "ada", '"ada"', '"mail:a', '"mail:a" OR', '"mail:a" "mail:b"', '"nothing:a"', '"mail:a" OR x']
)
def test_a_malformed_search_is_a_bad_request(text: str) -> None:
    with pytest.raises(GraphRefusal, match="BadRequest"):
        parse_search(text, USER)


def test_what_is_no_object_of_a_directory_has_no_kind() -> None:
    assert kind_of(Tenant()).name == "organization"
    assert kind_of(Group(name="x")) is GROUP
    with pytest.raises(TypeError, match="str"):
        kind_of("ada")


async def test_a_filter_travels_as_it_was_written(graph: GraphClient) -> None:
    """Brackets, quotes, dollars and plus signs come through the query string unchanged."""
    graph.tenant.people["a+b@example.test"] = Person(address="a+b@example.test", display_name="Plus")
    written = "proxyAddresses/any(x:x%20eq%20%27SMTP:a%2Bb@example.test%27)"
    for text in (written, written.replace("%27", "'"), written.replace("%20", "+")):
        reply = await graph.get(f"{graph.url}/v1.0/users?$filter={text}&$select=displayName")
        assert reply.document["value"] == [{"displayName": "Plus"}]


async def test_an_advanced_filter_needs_the_header_and_the_count(graph: GraphClient) -> None:
    advanced = {"dollar_filter": "endswith(mail,'muller@example.test')"}
    for headers, more in (({}, {}), (EVENTUAL, {}), ({}, {"dollar_count": "true"})):
        reply = await graph.get("/users", headers=headers, **advanced, **more)
        assert (reply.status, reply.document["error"]["code"]) == (400, "Request_UnsupportedQuery")
    assert await graph.names("/users", headers=EVENTUAL, dollar_count="true", **advanced) == ["Zoë Müller"]
    search = {"dollar_search": '"displayName:zoë"', "dollar_count": "true"}
    assert await graph.names("/users", headers=EVENTUAL, **search) == ["Zoë Müller"]


async def test_a_malformed_filter_is_answered_in_graphs_shape(graph: GraphClient) -> None:
    reply = await graph.get("/users", dollar_filter="mail eq")
    assert (reply.status, reply.document["error"]["code"]) == (400, "BadRequest")
