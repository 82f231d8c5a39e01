"""Graph's directory and mailboxes: what is shown to whom, page by page, and how it fails."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import AppRegistration, Contact, Group, Person, crowd
from tests.sandbox.graph_client import EVENTUAL

if TYPE_CHECKING:
    from tests.sandbox.conftest import Clock, Reply
    from tests.sandbox.graph_client import GraphClient


def refused(reply: Reply, status: int, code: str) -> None:
    assert (reply.status, reply.document["error"]["code"]) == (status, code)
    inner = reply.document["error"]["innerError"]
    assert inner["request-id"] == reply.headers["request-id"]
    assert inner["client-request-id"] == reply.headers["client-request-id"]
    assert inner["date"] == "2026-03-04T05:06:07"


async def group_id(graph: GraphClient, name: str) -> str:
    reply = await graph.get("/groups", dollar_filter=f"displayName eq '{name}'")
    [found] = reply.document["value"]
    return str(found["id"])


# Who may ask.


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer a.b.c", "Bearer ünreadable", "Basic YTpi"])
async def test_without_a_good_token_nothing_is_shown(graph: GraphClient, header: str) -> None:
    reply = await graph.get("/users", headers={"Authorization": header})
    refused(reply, 401, "InvalidAuthenticationToken")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_a_token_that_was_changed_is_no_token(graph: GraphClient) -> None:
    head, body, signature = (await graph.bearer()).split(".")
    forged = f"{head}.{body[:-4]}AAAA.{signature}"
    refused(await graph.get("/users", headers={"Authorization": f"Bearer {forged}"}), 401, "InvalidAuthenticationToken")


async def test_a_token_ends_after_an_hour(graph: GraphClient, clock: Clock) -> None:
    await graph.bearer()
    clock.pass_by(seconds=3598)
    assert (await graph.get("/users")).status == 200
    clock.pass_by(seconds=1)
    assert (await graph.get("/users")).status == 401


@pytest.mark.parametrize(
    "path,role,code",
    [
        ("/users", "User.Read.All", "Authorization_RequestDenied"),
        ("/users/delta", "User.Read.All", "Authorization_RequestDenied"),
        (f"/users/{known.DEMO_PROBE}", "User.Read.All", "Authorization_RequestDenied"),
        ("/groups", "GroupMember.Read.All", "Authorization_RequestDenied"),
        ("/contacts", "OrgContact.Read.All", "Authorization_RequestDenied"),
        ("/organization", "Organization.Read.All", "Authorization_RequestDenied"),
        (f"/users/{known.DEMO_PROBE}/mailFolders/inbox", "Mail.ReadBasic.All", "ErrorAccessDenied"),
        (f"/users/{known.DEMO_PROBE}/mailboxSettings", "MailboxSettings.Read", "ErrorAccessDenied"),
        (f"/users/{known.DEMO_PROBE}/mailboxSettings/userPurpose", "MailboxSettings.Read", "ErrorAccessDenied"),
    ],
)
async def test_a_path_opens_by_its_permission_only(graph: GraphClient, path: str, role: str, code: str) -> None:
    registration = graph.tenant.registrations[known.DEMO_GRAPH_CLIENT]
    registration.roles = frozenset({"Calendars.Read"})
    refused(await graph.get(path), 403, code)
    registration.roles = frozenset({role})
    held = (await graph.token()).document["access_token"]
    assert (await graph.get(path, headers={"Authorization": f"Bearer {held}"})).status == 200


# Users.


async def test_a_user_is_shown_with_what_was_selected(graph: GraphClient) -> None:
    fields = "id,displayName,mail,userPrincipalName,proxyAddresses,accountEnabled,assignedLicenses,userType"
    more = "onPremisesSyncEnabled,onPremisesImmutableId"
    reply = await graph.get(f"/users/{known.DEMO_PROBE.upper()}", dollar_select=f"{fields},{more}")
    said = reply.document
    assert said["displayName"] == "Ada Lovelace"
    assert said["mail"] == said["userPrincipalName"] == known.DEMO_PROBE
    assert said["proxyAddresses"] == [
        f"SMTP:{known.DEMO_PROBE}",
        "smtp:ada@example.test",
        "smtp:countess@example.test",
    ]
    assert said["accountEnabled"] is True
    assert said["userType"] == "Member"
    assert len(said["assignedLicenses"]) == 1
    assert said["onPremisesSyncEnabled"] is None
    assert said["onPremisesImmutableId"] is None
    by_id = await graph.get(f"/users/{said['id']}", dollar_select="mail")
    assert by_id.document["mail"] == known.DEMO_PROBE


async def test_without_a_selection_addresses_and_licences_are_not_shown(graph: GraphClient) -> None:
    said = (await graph.get(f"/users/{known.DEMO_PROBE}")).document
    assert {"id", "displayName", "mail", "userPrincipalName"} <= set(said)
    assert not {"proxyAddresses", "accountEnabled", "assignedLicenses"} & set(said)


async def test_disabled_unlicensed_and_synchronized_users_look_so(graph: GraphClient) -> None:
    graph.tenant.add(Person(address="synced@example.test", display_name="Synced", synchronized=True))
    fields = "accountEnabled,assignedLicenses,onPremisesSyncEnabled,onPremisesImmutableId"
    left = (await graph.get("/users/left.company@example.test", dollar_select=fields)).document
    assert left["accountEnabled"] is False
    unlicensed = (await graph.get("/users/no.licence@example.test", dollar_select=fields)).document
    assert unlicensed["assignedLicenses"] == []
    synced = (await graph.get("/users/synced@example.test", dollar_select=fields)).document
    assert synced["onPremisesSyncEnabled"] is True
    assert len(synced["onPremisesImmutableId"]) == 24


@pytest.mark.parametrize("who", ["nobody@example.test", "ada@example.test", str(uuid.UUID(int=1))])
async def test_nobody_is_found_by_an_alias_or_a_foreign_id(graph: GraphClient, who: str) -> None:
    """A path takes the principal name or the id; whoever knows an alias has to filter."""
    refused(await graph.get(f"/users/{who}"), 404, "Request_ResourceNotFound")


async def test_a_principal_name_may_be_another_than_the_address(graph: GraphClient) -> None:
    graph.tenant.add(Person(address="anna@example.test", display_name="Anna", principal_name="a.b@corp.example.test"))
    said = (await graph.get("/users/A.B@corp.example.test")).document
    assert (said["mail"], said["userPrincipalName"]) == ("anna@example.test", "a.b@corp.example.test")
    refused(await graph.get("/users/anna@example.test"), 404, "Request_ResourceNotFound")
    assert await graph.names("/users", dollar_filter="mail eq 'anna@example.test'") == ["Anna"]


# Mailboxes.


async def test_an_inbox_in_the_cloud_opens(graph: GraphClient) -> None:
    reply = await graph.get(f"/users/{known.DEMO_PROBE}/mailFolders/inbox", dollar_select="id")
    assert reply.status == 200
    assert set(reply.document) == {"@odata.context", "id"}
    whole = (await graph.get(f"/users/{known.DEMO_PROBE}/mailFolders/inbox")).document
    assert whole["displayName"] == "Inbox"


@pytest.mark.parametrize("mailbox", ["on-premises", ""])
async def test_a_mailbox_that_is_elsewhere_is_not_enabled(graph: GraphClient, mailbox: str) -> None:
    graph.tenant.people[known.DEMO_PROBE].mailbox = mailbox
    refused(await graph.get(f"/users/{known.DEMO_PROBE}/mailFolders/inbox"), 404, "MailboxNotEnabledForRESTAPI")


async def test_what_a_mailbox_is_for_is_told(graph: GraphClient) -> None:
    registration = graph.tenant.registrations[known.DEMO_GRAPH_CLIENT]
    registration.roles |= {"MailboxSettings.Read"}
    base = f"/users/{known.DEMO_PROBE}/mailboxSettings"
    assert (await graph.get(f"{base}/userPurpose")).document["value"] == "user"
    assert (await graph.get(base)).document["userPurpose"] == "user"
    refused(await graph.get(f"{base}/userPurpose", dollar_select="id"), 400, "BadRequest")
    graph.tenant.people[known.DEMO_PROBE].mailbox = ""
    refused(await graph.get(f"{base}/userPurpose"), 404, "MailboxNotEnabledForRESTAPI")


async def test_a_mailbox_of_nobody_and_a_folder_of_none_are_not_found(graph: GraphClient) -> None:
    refused(await graph.get("/users/nobody@example.test/mailFolders/inbox"), 404, "ResourceNotFound")
    refused(await graph.get(f"/users/{known.DEMO_PROBE}/mailFolders/nothing"), 404, "ErrorItemNotFound")


@pytest.mark.parametrize(
    "trouble,status,code",
    [
        ("no-impersonation", 403, "ErrorAccessDenied"),
        ("no-mailbox", 404, "MailboxNotEnabledForRESTAPI"),
        ("half-migrated", 404, "MailboxNotEnabledForRESTAPI"),
        ("moved-mailbox", 503, "ErrorMailboxMoveInProgress"),
    ],
)
async def test_a_trouble_of_mailboxes_is_seen_and_ends(
    graph: GraphClient, trouble: str, status: int, code: str
) -> None:
    path = f"/users/{known.DEMO_PROBE}/mailFolders/inbox"
    graph.sandbox.script.start(trouble, times=1)
    refused(await graph.get(path), status, code)
    assert (await graph.get(path)).status == 200


async def test_without_impersonation_the_account_still_opens_its_own_mailbox(graph: GraphClient) -> None:
    graph.sandbox.script.start("no-impersonation")
    assert (await graph.get(f"/users/{known.DEMO_MAILBOX}/mailFolders/inbox")).status == 200


# Groups, contacts and the organization.


async def test_a_group_is_shown_whole(graph: GraphClient) -> None:
    said = (await graph.get(f"/groups/{await group_id(graph, 'All Staff')}")).document
    assert said["mail"] == known.DEMO_GROUP
    assert said["mailEnabled"] is True
    assert said["securityEnabled"] is False
    assert said["groupTypes"] == []
    assert said["proxyAddresses"] == [f"SMTP:{known.DEMO_GROUP}", "smtp:everybody@example.test"]
    badges = (await graph.get(f"/groups/{await group_id(graph, 'Door Badges')}")).document
    assert (badges["mail"], badges["mailEnabled"], badges["securityEnabled"]) == (None, False, True)
    refused(await graph.get(f"/groups/{uuid.UUID(int=1)}"), 404, "Request_ResourceNotFound")


async def test_members_are_direct_or_all_of_them_each_once(graph: GraphClient) -> None:
    group = await group_id(graph, "All Staff")
    direct = await graph.names(f"/groups/{group}/members")
    assert direct == ["Engineering", "Sales", "Left Company", "A Partner"]
    every = await graph.names(f"/groups/{group}/transitiveMembers", dollar_select="displayName")
    assert sorted(every) == [
        "A Partner",
        "Ada Lovelace",
        "Compilers",
        "Edsger Dijkstra",
        "Engineering",
        "Grace Hopper",
        "Left Company",
        "No Licence",
        "Sales",
        "Zoë Müller",
    ]


async def test_members_say_of_which_kind_they_are(graph: GraphClient) -> None:
    group = await group_id(graph, "All Staff")
    reply = await graph.get(f"/groups/{group}/members", dollar_select="id,mailEnabled,accountEnabled")
    shown = {(one["@odata.type"], tuple(sorted(one.keys() - {"@odata.type"}))) for one in reply.document["value"]}
    assert shown == {
        ("#microsoft.graph.group", ("id", "mailEnabled")),
        ("#microsoft.graph.user", ("accountEnabled", "id")),
        ("#microsoft.graph.orgContact", ("id",)),
    }


async def test_members_of_one_kind_are_an_advanced_query(graph: GraphClient) -> None:
    path = f"/groups/{await group_id(graph, 'All Staff')}/transitiveMembers/microsoft.graph."
    refused(await graph.get(f"{path}user"), 400, "Request_UnsupportedQuery")
    refused(await graph.get(f"{path}user", dollar_count="true"), 400, "Request_UnsupportedQuery")
    refused(await graph.get(f"{path}user", headers=EVENTUAL), 400, "Request_UnsupportedQuery")
    counted = await graph.get(f"{path}user", headers=EVENTUAL, dollar_count="true")
    assert counted.document["@odata.count"] == len(counted.document["value"]) == 6
    assert await graph.names(f"{path}orgContact", headers=EVENTUAL, dollar_count="true") == ["A Partner"]
    assert len(await graph.names(f"{path}group", headers=EVENTUAL, dollar_count="true")) == 3
    refused(await graph.get(f"{path}device", headers=EVENTUAL, dollar_count="true"), 400, "BadRequest")


async def test_a_circle_of_groups_ends(graph: GraphClient) -> None:
    graph.tenant.add(Group(name="Self", members=("Self", "Compilers", "nobody@example.test")))
    found = await graph.names(f"/groups/{await group_id(graph, 'Self')}/transitiveMembers")
    assert sorted(found) == ["Ada Lovelace", "Compilers", "Edsger Dijkstra", "Engineering", "Grace Hopper"]
    assert await graph.names(f"/groups/{await group_id(graph, 'Empty Group')}/transitiveMembers") == []


async def test_a_contact_is_found_and_shown(graph: GraphClient) -> None:
    graph.tenant.add(Contact(address="other@partner.test", display_name="Another"))
    reply = await graph.get("/contacts", dollar_filter="mail eq 'partner@partner.test'")
    [found] = reply.document["value"]
    assert found["proxyAddresses"] == ["SMTP:partner@partner.test"]
    assert (await graph.get(f"/contacts/{found['id']}")).document["displayName"] == "A Partner"
    refused(await graph.get("/contacts/nobody"), 404, "Request_ResourceNotFound")


async def test_the_organization_says_whether_it_is_synchronized(graph: GraphClient) -> None:
    [cloud] = (await graph.get("/organization")).document["value"]
    assert (cloud["displayName"], cloud["onPremisesSyncEnabled"]) == ("Example Ltd", None)
    assert cloud["verifiedDomains"][0]["name"] == known.DEMO_TENANT_DOMAIN
    graph.tenant.people[known.DEMO_PROBE].synchronized = True
    [hybrid] = (await graph.get("/organization", dollar_select="onPremisesSyncEnabled")).document["value"]
    assert hybrid == {"onPremisesSyncEnabled": True}


# Pages.


async def test_many_users_come_page_by_page(graph: GraphClient) -> None:
    graph.tenant.add(*crowd(2_500))
    sizes, seen = [], []
    first = await graph.get("/users", dollar_select="id,mail", dollar_top="999")
    async for page in graph.pages(first):
        sizes.append(len(page))
        seen.extend(one["id"] for one in page)
    assert sizes == [999, 999, 510]
    assert len(set(seen)) == 2_508


async def test_a_page_is_of_a_hundred_without_a_word_and_never_above_the_tenants_limit(graph: GraphClient) -> None:
    graph.tenant.add(*crowd(200))
    assert len(await graph.names("/users")) == 100
    graph.tenant.page = 7
    assert len(await graph.names("/users", dollar_top="50")) == 7


@pytest.mark.parametrize("top", ["0", "1000", "-1", "ten", "1.5", "²"])
async def test_a_page_of_a_senseless_size_is_refused(graph: GraphClient, top: str) -> None:
    refused(await graph.get("/users", dollar_top=top), 400, "BadRequest")


async def test_a_link_that_a_library_puts_together_anew_is_refused(graph: GraphClient) -> None:
    """The trap that has caught many a client: the link has to be followed as it stands."""
    reply = await graph.get("/users", dollar_top="2", dollar_select="displayName")
    link = reply.document["@odata.nextLink"]
    assert "%2B" in link
    assert "%2F" in link
    held = {"Authorization": f"Bearer {await graph.bearer()}"}
    for mangled in (str(URL(link)), link.replace("%2B", "+"), link.replace("%2B", "%252B"), link[:-9] + "AAAA"):
        assert mangled != link
        answer = await graph.client.send("GET", URL(mangled, encoded=True), headers=held)  # type: ignore[arg-type]
        refused(answer, 400, "BadRequest")
    assert (await graph.get(link)).status == 200


async def test_a_link_belongs_to_its_query(graph: GraphClient) -> None:
    reply = await graph.get("/users", dollar_top="2", dollar_select="displayName")
    token = reply.document["@odata.nextLink"].partition("$skiptoken=")[2]
    for path in (f"/v1.0/users?$top=3&$skiptoken={token}", f"/v1.0/groups?$top=2&$skiptoken={token}"):
        refused(await graph.get(f"{graph.url}{path}"), 400, "BadRequest")


async def test_a_filter_goes_along_from_page_to_page(graph: GraphClient) -> None:
    graph.tenant.add(*crowd(30))
    first = await graph.get("/users", dollar_filter="startswith(displayName,'Person')", dollar_top="11")
    assert [len(page) async for page in graph.pages(first)] == [11, 11, 8]


@pytest.mark.parametrize(
    "path,query",
    [
        ("/nothing", {}),
        ("/users/x/nothing", {}),
        ("/users", {"dollar_select": "id,nothing"}),
        ("/users", {"dollar_expand": "memberOf"}),
        (f"/users/{known.DEMO_PROBE}", {"dollar_select": "nothing"}),
    ],
)
async def test_what_graph_does_not_know_is_a_bad_request(graph: GraphClient, path: str, query: dict[str, str]) -> None:
    refused(await graph.get(path, **query), 400, "BadRequest")


async def test_only_the_right_verb_is_served(graph: GraphClient) -> None:
    refused(await graph.get("/users", method="POST"), 405, "Request_BadRequest")


# Delivery.


async def test_throttling_says_when_to_come_back(graph: GraphClient) -> None:
    await graph.bearer()
    graph.sandbox.script.start("throttled", seconds=7, endpoint="graph")
    reply = await graph.get("/users")
    refused(reply, 429, "TooManyRequests")
    assert reply.headers["Retry-After"] == "7"
    assert {name for name in reply.headers if name.startswith("x-ms-throttle-")} == {
        "x-ms-throttle-information",
        "x-ms-throttle-limit-percentage",
        "x-ms-throttle-scope",
    }
    assert "X-RateLimit-Reset" not in reply.headers


async def test_an_outage_comes_in_two_ways(graph: GraphClient) -> None:
    await graph.bearer()
    graph.sandbox.script.start("service-error", endpoint="graph")
    refused(await graph.get("/users"), 503, "ServiceUnavailable")
    bare = await graph.get("/users")
    assert (bare.status, bare.raw) == (503, b"Service Unavailable")


async def test_a_caller_may_name_its_request(graph: GraphClient) -> None:
    reply = await graph.get("/users", headers={"client-request-id": "mine"})
    assert reply.headers["client-request-id"] == "mine"
    assert uuid.UUID(reply.headers["request-id"])


@pytest.mark.parametrize(
    "path,query,cost",
    [
        ("/users", {}, 2),
        ("/users", {"dollar_select": "id"}, 1),
        ("/users", {"dollar_select": "id", "dollar_top": "5"}, 1),
        (f"/users/{known.DEMO_PROBE}", {}, 1),
        ("/groups/GROUP/members", {}, 3),
        ("/groups/GROUP/transitiveMembers", {}, 5),
        ("/groups/GROUP/transitiveMembers", {"dollar_select": "id", "dollar_top": "5"}, 3),
    ],
)
async def test_an_answer_says_what_it_cost(graph: GraphClient, path: str, query: dict[str, str], cost: int) -> None:
    reply = await graph.get(path.replace("GROUP", known.identity("group All Staff")), **query)
    assert reply.status == 200
    assert reply.headers["x-ms-resource-unit"] == str(cost)


# Batches.


def ask(number: int, url: str, **headers: str) -> dict[str, object]:
    return {"id": str(number), "method": "GET", "url": url} | ({"headers": headers} if headers else {})


async def test_each_call_of_a_batch_is_answered_by_itself(graph: GraphClient) -> None:
    group = await group_id(graph, "All Staff")
    reply = await graph.batch(
        ask(1, "/users?$filter=proxyAddresses/any(x:x%20eq%20'smtp:ada@example.test')&$select=displayName"),
        ask(2, "/users/nobody@example.test"),
        ask(3, f"/groups/{group}/transitiveMembers/microsoft.graph.user?$count=true", ConsistencyLevel="eventual"),
        ask(4, "/$batch"),
    )
    assert reply.status == 200
    assert [one["id"] for one in reply.document["responses"]] == ["4", "3", "2", "1"]
    by_id = {one["id"]: one for one in reply.document["responses"]}
    assert [by_id[number]["status"] for number in "1234"] == [200, 404, 200, 400]
    assert by_id["1"]["body"]["value"] == [{"displayName": "Ada Lovelace"}]
    assert by_id["2"]["body"]["error"]["code"] == "Request_ResourceNotFound"
    assert by_id["2"]["headers"]["request-id"] == by_id["2"]["body"]["error"]["innerError"]["request-id"]
    assert by_id["3"]["body"]["@odata.count"] == 6


async def test_throttling_strikes_single_calls_of_a_batch(graph: GraphClient) -> None:
    await graph.bearer()
    graph.sandbox.script.start("throttled", times=1, seconds=4, endpoint="graph")
    reply = await graph.batch(ask(1, "/users"), ask(2, "/users"))
    second, first = reply.document["responses"]
    assert (first["status"], first["headers"]["Retry-After"]) == (429, "4")
    assert first["body"]["error"]["code"] == "TooManyRequests"
    assert second["status"] == 200


async def test_an_outage_strikes_single_calls_of_a_batch(graph: GraphClient) -> None:
    await graph.bearer()
    graph.sandbox.script.start("service-error", endpoint="graph")
    reply = await graph.batch(ask(1, "/users"), ask(2, "/users"))
    assert [(one["status"], one["body"] is None) for one in reply.document["responses"]] == [(503, True), (503, False)]


async def test_a_batch_without_a_token_is_refused_as_a_whole(graph: GraphClient) -> None:
    reply = await graph.client.send("POST", f"{graph.url}/v1.0/$batch", json={"requests": [ask(1, "/users")]})
    refused(reply, 401, "InvalidAuthenticationToken")


async def test_a_call_inside_a_batch_takes_its_verb(graph: GraphClient) -> None:
    reply = await graph.batch({"id": "1", "method": "DELETE", "url": "/users"}, ask(2, "/$batch/x"))
    assert [one["status"] for one in reply.document["responses"]] == [400, 405]


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [ask(number, "/users") for number in range(21)],
        [ask(1, "/users"), ask(1, "/users")],
        [{"id": 1, "method": "GET", "url": "/users"}],
        [{"id": "1", "method": "GET", "url": "https://graph.microsoft.com/v1.0/users"}],
        [{"id": "1", "method": "GET", "url": "/users", "headers": {"a": 1}}],
        [{"id": "1", "method": "GET", "url": "/users", "body": {}}],
        ["users"],
    ],
)
async def test_a_batch_that_makes_no_sense_is_refused_as_a_whole(graph: GraphClient, requests: list[object]) -> None:
    refused(await graph.batch(*requests), 400, "BadRequest")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"requests": 1}'])
async def test_a_batch_is_an_object_with_requests(graph: GraphClient, body: bytes) -> None:
    held = {"Authorization": f"Bearer {await graph.bearer()}"}
    reply = await graph.client.send("POST", f"{graph.url}/v1.0/$batch", headers=held, data=body)
    refused(reply, 400, "BadRequest")


# Changes since a link was given.


async def test_changes_are_told_since_the_link(graph: GraphClient) -> None:
    graph.tenant.page = 5
    first = await graph.get("/users/delta", dollar_select="displayName,accountEnabled")
    assert [len(page) async for page in graph.pages(first)] == [5, 3]
    last = await graph.get(first.document["@odata.nextLink"])
    link = last.document["@odata.deltaLink"]
    again = await graph.get(link)
    assert again.document["value"] == []
    left = graph.tenant.people.pop("left.company@example.test")
    graph.tenant.people[known.DEMO_PROBE].enabled = False
    graph.tenant.add(*crowd(1))
    changes = {one["id"]: one for one in (await graph.get(link)).document["value"]}
    ada = known.identity(known.DEMO_PROBE)
    assert changes.pop(ada) == {"id": ada, "displayName": "Ada Lovelace", "accountEnabled": False}
    assert changes.pop(left.id) == {"id": left.id, "@removed": {"reason": "changed"}}
    assert [one["displayName"] for one in changes.values()] == ["Person 00001"]


async def test_many_changes_come_page_by_page(graph: GraphClient) -> None:
    latest = await graph.get("/users/delta", **{"$deltaToken": "latest"})
    assert latest.document["value"] == []
    graph.tenant.add(*crowd(7))
    graph.tenant.page = 3
    first = await graph.get(latest.document["@odata.deltaLink"])
    assert [len(page) async for page in graph.pages(first)] == [3, 3, 1]


async def test_a_link_is_good_for_a_week(graph: GraphClient, clock: Clock) -> None:
    link = (await graph.get("/users/delta", dollar_select="mail")).document["@odata.deltaLink"]
    clock.pass_by(days=7, seconds=1)
    token = (await graph.token()).document["access_token"]
    reply = await graph.get(link, headers={"Authorization": f"Bearer {token}"})
    assert (reply.status, reply.document["error"]["code"]) == (410, "syncStateNotFound")
    anew = await graph.get(reply.headers["Location"], headers={"Authorization": f"Bearer {token}"})
    assert len(anew.document["value"]) == 8
    assert set(anew.document["value"][0]) == {"id", "mail"}


async def test_changes_take_no_size_and_no_filter(graph: GraphClient) -> None:
    refused(await graph.get("/users/delta", dollar_top="5"), 400, "BadRequest")
    refused(await graph.get("/users/delta", dollar_filter="mail eq 'a'"), 400, "BadRequest")


def test_a_crowd_is_the_same_every_time() -> None:
    assert [one.address for one in crowd(2)] == ["person.00001@example.test", "person.00002@example.test"]
    assert len({one.id for one in crowd(100)}) == 100


async def test_no_answer_holds_a_secret(graph: GraphClient) -> None:
    """Whatever Graph shows, the passwords and client secrets of the world are not in it."""
    graph.tenant.add(AppRegistration(client_id="other", client_secret="the-other-secret"))
    for path in ("/users", "/groups", "/contacts", "/organization", "/users/delta"):
        text = json.dumps((await graph.get(path)).document)
        for secret in (known.DEMO_GRAPH_SECRET, known.DEMO_MAILBOX_PASSWORD, "the-other-secret"):
            assert secret not in text
