"""The directory of a Microsoft 365 tenant, over the wire against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import DIRECTORY_LAYERS, DirectoryObject, Examination, Found, Layer, ProviderFault, Route, Secret
from daemon.providers.http import HttpClients
from daemon.sandbox import Sandbox
from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import Group, Person, Tenant, crowd
from states import Fault
from tests.clock import ManualClock
from tests.contracts.cloud import assert_tells_no_secret
from tests.graph.conftest import Office, registration_at
from tests.graph.scripted import Request, ScriptedCloud
from tests.providers.conftest import Authority, Servers, authority, servers

__all__ = ["authority", "servers"]

ADA = DirectoryObject(
    kind="user",
    id=known.identity("ada.lovelace@example.test"),
    display_name="Ada Lovelace",
    primary_address="ada.lovelace@example.test",
    addresses=("ada.lovelace@example.test", "ada@example.test", "countess@example.test"),
    enabled=True,
    mail_enabled=True,
    licensed=True,
    source="graph:localhost",
)
STAFF = {
    "ada.lovelace@example.test",
    "grace.hopper@example.test",
    "edsger.dijkstra@example.test",
    "left.company@example.test",
    "no.licence@example.test",
    "partner@partner.test",
    "zoe.muller@example.test",
}


def roles(tenant: Tenant, granted: frozenset[str]) -> None:
    own = tenant.registrations[known.DEMO_GRAPH_CLIENT]
    tenant.add(replace(own, roles=granted))


async def found(office: Office, wanted: str, **options: Any) -> Found:
    answer: Found = await office.in_time(office.directory().find(wanted, **options))
    return answer


async def only(office: Office, wanted: str, **options: Any) -> DirectoryObject:
    [one] = (await found(office, wanted, **options)).objects
    return one


async def members(office: Office, group: DirectoryObject) -> list[DirectoryObject]:
    async def walk() -> list[DirectoryObject]:
        return [one async for one in office.directory().members(group)]

    answer: list[DirectoryObject] = await office.in_time(walk())
    return answer


# --- finding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        "ada.lovelace@example.test",
        "ADA@Example.Test",
        "countess@example.test",
        "Ada Lovelace",
        "  ada   lovelace ",
        "ada.lovelace",
        ADA.id,
        ADA.id.upper(),
        f"{{{ADA.id}}}",
    ],
)
async def test_a_user_is_found_by_address_name_and_id(office: Office, wanted: str) -> None:
    """Primary address, alias, display name, nickname, object id, in any spelling of upper and lower case."""
    assert await only(office, wanted) == ADA


async def test_a_look_up_is_one_call(office: Office, sandbox: Sandbox) -> None:
    """Users, groups and contacts in one batch."""
    await found(office, "ada@example.test")
    assert sandbox.calls == {"identity": 1, "graph": 1}


async def test_a_group_is_found_by_its_alias(office: Office) -> None:
    group = await only(office, "everybody@example.test")
    assert (group.kind, group.display_name, group.primary_address) == ("group", "All Staff", known.DEMO_GROUP)
    assert group.addresses == (known.DEMO_GROUP, "everybody@example.test")
    assert (group.enabled, group.licensed, group.mail_enabled) == (None, None, True)


async def test_a_contact_is_found(office: Office) -> None:
    contact = await only(office, "partner@partner.test")
    assert (contact.kind, contact.display_name, contact.enabled, contact.licensed) == (
        "contact", "A Partner", None, None,
    )  # fmt: skip


async def test_disabled_and_unlicensed_users_are_marked(office: Office) -> None:
    left, bare = await only(office, "left.company@example.test"), await only(office, "no.licence@example.test")
    assert (left.enabled, left.licensed) == (False, True)
    assert (bare.enabled, bare.licensed) == (True, False)


async def test_a_name_in_any_script_is_found(office: Office) -> None:
    assert (await only(office, "Zoë Müller")).primary_address == "zoe.muller@example.test"


async def test_a_quote_in_a_name_ends_no_filter(office: Office, tenant: Tenant) -> None:
    """Nor does anything else that means something in a URL."""
    name = "Nuala O'Neill & Sons + 100% #1"
    tenant.add(Person(address="nuala@example.test", display_name=name))
    assert (await only(office, name)).primary_address == "nuala@example.test"


async def test_the_same_name_of_several_is_ambiguous(office: Office, tenant: Tenant) -> None:
    tenant.add(Person(address="other.ada@example.test", display_name="Ada Lovelace"))
    assert len((await found(office, "Ada Lovelace")).objects) == 2


@pytest.mark.parametrize("kind", ["user", "group", "contact"])
async def test_a_kind_narrows_the_search(office: Office, tenant: Tenant, kind: Any) -> None:
    tenant.add(Group(name="Ada Lovelace"))
    expected = {"user": 1, "group": 1, "contact": 0}[kind]
    assert len((await found(office, "Ada Lovelace", kind=kind)).objects) == expected


async def test_an_id_that_nothing_has_is_not_found(office: Office) -> None:
    answer = await found(office, "00000000-0000-0000-0000-000000000000")
    assert (answer.objects, answer.near) == ((), ())
    assert answer.reasons


async def test_what_is_of_another_kind_is_told(office: Office) -> None:
    answer = await found(office, "ada@example.test", kind="group")
    assert (answer.objects, answer.near, answer.reasons) == ((), (ADA,), ("it is a user, not a group",))


async def test_several_of_one_name_are_counted(office: Office, tenant: Tenant) -> None:
    tenant.add(Person(address="other.ada@example.test", display_name="Ada Lovelace"))
    assert "2 objects have this name" in (await found(office, "Ada Lovelace")).reasons[0]


async def test_a_disabled_user_is_told_as_the_reason(office: Office) -> None:
    assert (await found(office, "left.company@example.test")).reasons == ("its account is disabled",)


async def test_a_group_that_resolves_to_nothing_says_why(office: Office, tenant: Tenant) -> None:
    """It exists, and still no mail reaches anybody through it."""
    assert (await found(office, "empty@example.test")).reasons == ("it resolves to nothing: it has no members",)
    tenant.add(
        Person(address="", display_name="Nobody"), Group(name="Bare", address="bare@example.test", members=("",))
    )
    answer = await found(office, "bare@example.test")
    assert answer.reasons == ("it resolves to nothing: none of its 1 members has an address",)


async def test_a_group_of_many_is_not_walked_for_its_reasons(office: Office, tenant: Tenant, sandbox: Sandbox) -> None:
    """One glance at its first members, in one batch."""
    people = [replace(one, address=one.address) for one in crowd(100)]
    tenant.add(*people, Group(name="Crowd", address="crowd@example.test", members=tuple(p.address for p in people)))
    assert (await found(office, "crowd@example.test")).reasons == ()
    assert sandbox.calls["graph"] == 2


# --- not finding -------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["ada.lovelase@example.test", "Ada Lovelcae", "adalovelace@example.test"])
async def test_what_is_nearly_right_finds_its_neighbours(office: Office, wanted: str) -> None:
    answer = await found(office, wanted)
    assert answer.objects == ()
    assert answer.near[0] == ADA


async def test_near_misses_are_few_and_the_likest_comes_first(office: Office, tenant: Tenant) -> None:
    tenant.add(*crowd(30))
    answer = await found(office, "person.00x07@example.test")
    assert len(answer.near) == 5
    assert answer.near[0].primary_address == "person.00007@example.test"


async def test_a_group_without_an_address_says_why_its_address_finds_nothing(office: Office) -> None:
    """The group exists, and mail to it reaches nobody."""
    answer = await found(office, "compilers@example.test")
    assert answer.objects == ()
    assert any('the group "Compilers" exists, but has no address' in reason for reason in answer.reasons)


async def test_a_group_without_an_address_is_found_by_name_with_the_reason(office: Office) -> None:
    answer = await found(office, "Door Badges")
    assert answer.objects[0].mail_enabled is False
    assert answer.reasons == ("it has no address, so it is not a group that mail can be sent to",)


async def test_a_domain_of_somebody_else_is_named(office: Office, tenant: Tenant) -> None:
    answer = await found(office, "ada@elsewhere.test")
    assert "elsewhere.test is none of the tenant's own domains (example.test)" in answer.reasons[0]


async def test_a_domain_that_is_not_looked_up_here_makes_no_call(office: Office, sandbox: Sandbox) -> None:
    answer = await office.directory(domains=("Example.Test",)).find("ada@elsewhere.test")
    assert "not among [directory] domains" in answer.reasons[0]
    assert sandbox.calls == {}
    assert (await office.directory(domains=("Example.Test",)).find("ada@example.test")).objects == (ADA,)


@pytest.mark.parametrize(
    "wanted, says", [("CN=Ada,OU=Staff,DC=example,DC=test", "distinguished names"), ("  ", "nothing was asked for")]
)
async def test_what_microsoft_365_cannot_know_makes_no_call(
    office: Office, sandbox: Sandbox, wanted: str, says: str
) -> None:
    answer = await found(office, wanted)
    assert says in answer.reasons[0]
    assert sandbox.calls == {}


NOBODY = "no user, group or contact of the tenant has it as"
LATE = "what was made or renamed minutes ago is found a little later"


@pytest.mark.parametrize(
    "wanted, kind, reason",
    [
        ("nobody@example.test", None, f"{NOBODY} an address or a sign-in name; {LATE}"),
        ("Zyx Wvu", "group", f"no group of the tenant has it as a name or an alias; {LATE}"),
        ("00000000-0000-0000-0000-000000000000", None, f"{NOBODY} an id"),
        ("ada.lovelase@example.test", None, f"{NOBODY} an address or a sign-in name"),
    ],
    ids=["an address", "a name", "an id, which no index is asked for", "one that is misspelt"],
)
async def test_where_it_was_looked_for_is_told_and_that_it_may_be_too_new_only_where_that_may_be(
    office: Office, wanted: str, kind: Any, reason: str
) -> None:
    assert (await found(office, wanted, kind=kind)).reasons == (reason,)


@pytest.mark.parametrize("wanted", ["ada@elsewhere.test", "compilers@example.test"])
async def test_no_index_is_blamed_where_the_reason_is_known(office: Office, wanted: str) -> None:
    [reason] = (await found(office, wanted)).reasons
    assert LATE not in reason


async def test_a_tenant_that_may_not_be_read_only_costs_its_reason(office: Office, tenant: Tenant) -> None:
    roles(tenant, known.GRAPH_ROLES - {"Organization.Read.All"})
    answer = await found(office, "ada@elsewhere.test")
    assert not any("own domains" in reason for reason in answer.reasons)


# --- permissions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lacking, named",
    [
        ({"User.Read.All"}, "User.Read.All or Directory.Read.All"),
        ({"Group.Read.All", "GroupMember.Read.All"}, "GroupMember.Read.All or Group.Read.All"),
    ],
)
async def test_a_missing_consent_is_named_before_graph_refuses(
    office: Office, tenant: Tenant, sandbox: Sandbox, lacking: set[str], named: str
) -> None:
    roles(tenant, known.GRAPH_ROLES - lacking)
    with pytest.raises(ProviderFault) as caught:
        await found(office, "ada@example.test")
    assert caught.value.fault is Fault.CONSENT_MISSING
    assert named in caught.value.detail
    assert "graph" not in sandbox.calls


async def test_without_permission_for_contacts_the_rest_goes_on_and_says_so(office: Office, tenant: Tenant) -> None:
    roles(tenant, known.GRAPH_ROLES - {"OrgContact.Read.All"})
    group = await found(office, known.DEMO_GROUP)
    assert "OrgContact.Read.All" in group.reasons[0]
    assert "those in the group are left out" in group.reasons[0]
    assert {one.primary_address for one in await members(office, group.objects[0])} == STAFF - {"partner@partner.test"}
    assert any("OrgContact.Read.All" in reason for reason in (await found(office, "partner@partner.test")).reasons)
    nowhere = (await found(office, "nobody@example.test")).reasons[0]
    assert nowhere.startswith("no user or group of the tenant has it")


async def test_contacts_alone_need_their_permission(office: Office, tenant: Tenant) -> None:
    roles(tenant, known.GRAPH_ROLES - {"OrgContact.Read.All"})
    with pytest.raises(ProviderFault, match="OrgContact"):
        await found(office, "partner@partner.test", kind="contact")


async def test_only_the_permission_for_what_is_asked_is_needed(office: Office, tenant: Tenant) -> None:
    """Whoever looks for contacts alone need not be able to read anything else."""
    roles(tenant, frozenset({"OrgContact.Read.All"}))
    assert (await only(office, "partner@partner.test", kind="contact")).kind == "contact"
    assert (await found(office, "ada@example.test", kind="contact")).objects == ()


# --- members -----------------------------------------------------------------------------------


async def test_members_come_through_nested_groups_and_circles_each_once(office: Office) -> None:
    group = await only(office, known.DEMO_GROUP)
    listed = await members(office, group)
    assert {one.primary_address for one in listed} == STAFF
    assert len(listed) == len(STAFF)
    by_address = {one.primary_address: one for one in listed}
    assert by_address["left.company@example.test"].enabled is False
    assert by_address["no.licence@example.test"].licensed is False
    assert by_address["partner@partner.test"].kind == "contact"
    assert by_address["ada.lovelace@example.test"] == ADA


async def test_a_circle_of_groups_ends(office: Office) -> None:
    listed = await members(office, await only(office, "Compilers"))
    assert {one.primary_address.partition("@")[0] for one in listed} == {
        "ada.lovelace", "grace.hopper", "edsger.dijkstra",
    }  # fmt: skip


async def test_an_empty_group_has_no_members(office: Office) -> None:
    assert await members(office, await only(office, "empty@example.test")) == []


async def test_a_large_group_streams_page_by_page(office: Office, tenant: Tenant, sandbox: Sandbox) -> None:
    """The first members are there after one page, whatever is still to come."""
    people = list(crowd(2_500))
    tenant.add(*people, Group(name="Crowd", address="crowd@example.test", members=tuple(p.address for p in people)))
    group = await only(office, "crowd@example.test")
    before = sandbox.calls["graph"]
    walk = office.directory().members(group)
    first = await anext(walk)
    assert sandbox.calls["graph"] == before + 1
    rest = [one async for one in walk]
    assert len({first.id, *(one.id for one in rest)}) == 2_500
    assert sandbox.calls["graph"] == before + 4


async def test_only_groups_have_members(office: Office) -> None:
    with pytest.raises(ProviderFault, match="is no group"):
        await members(office, ADA)


async def test_a_group_that_is_gone_is_told(office: Office, tenant: Tenant) -> None:
    group = await only(office, "Compilers")
    del tenant.groups["compilers"]
    with pytest.raises(ProviderFault, match="Request_ResourceNotFound") as caught:
        await members(office, group)
    assert caught.value.fault is Fault.REQUEST_REFUSED


# --- a token that tells nothing ---------------------------------------------------------------


@dataclass
class Opaque:
    """A cloud whose tokens cannot be read, and which refuses contacts."""

    refusal: int = 403

    def respond(self, request: Request) -> tuple[int, dict[str, str], Any]:
        if request.json is None:
            return self.inner(request.target)
        responses = []
        for one in request.json["requests"]:
            status, headers, body = self.inner(one["url"])
            responses.append({"id": one["id"], "status": status, "headers": headers, "body": body})
        return 200, {}, {"responses": responses}

    def inner(self, url: str) -> tuple[int, dict[str, str], Any]:
        if "/contacts" in url or "orgContact" in url:
            return self.refusal, {}, {"error": {"code": "Authorization_RequestDenied", "message": "no"}}
        if "/groups?" in url:
            return 200, {}, {"value": [{"id": "g", "displayName": "All", "mail": "all@x.test"}, {"id": None}]}
        if "/members" in url.casefold() or "transitiveMembers" in url:
            twice = [{"id": "one"}, {"id": "one"}, {"id": None}]
            return 200, {}, {"value": twice}
        return 200, {}, {"value": []}


@pytest.fixture
async def opaque(servers: Servers, authority: Authority, office_at: Callable[[str, Path], Office]) -> Office:
    cloud = ScriptedCloud(Opaque().respond)
    port = await servers.open(cloud.handler(), authority.good())
    return office_at(f"https://localhost:{port}", authority.ca_file)


async def test_with_an_opaque_token_graph_itself_says_what_it_refuses(opaque: Office) -> None:
    """Contacts are a courtesy in a look-up; in a list of members their lack must not go unsaid."""
    answer = await found(opaque, "all@x.test")
    assert [one.id for one in answer.objects] == ["g"]
    assert "OrgContact.Read.All" in answer.reasons[0]
    walk = opaque.directory().members(answer.objects[0])
    assert (await anext(walk)).id == "one"
    with pytest.raises(ProviderFault) as caught:
        await anext(walk)
    assert caught.value.fault is Fault.CONSENT_MISSING


async def test_an_opaque_token_is_told_as_such(opaque: Office) -> None:
    layers = (await examined(opaque)).layers
    assert layers[2].status == "passed"
    assert "shows only when it is used" in layers[2].detail
    assert layers[-1].name == "base dn"
    assert "lacks the tenant" in layers[-1].detail


# --- examination -------------------------------------------------------------------------------


async def examined(office: Office, **changes: Any) -> Examination:
    answer: Examination = await office.in_time(office.directory(**changes).examine())
    for layer in answer.layers:
        if layer.fault is not None:
            assert_tells_no_secret(layer.fault, {known.DEMO_GRAPH_SECRET})
    return answer


def ended_at(examination: Examination, name: str) -> Layer:
    *before, last = examination.layers
    assert [layer.fault for layer in before] == [None] * len(before)
    assert last.name == name
    assert last.fault is not None
    return last


async def test_every_layer_is_passed_and_tells_its_evidence(office: Office) -> None:
    answer = await examined(office)
    assert tuple(layer.name for layer in answer.layers) == DIRECTORY_LAYERS
    assert {layer.status for layer in answer.layers} == {"passed"}
    server, tls, sign_in, base, lookup = (layer.detail for layer in answer.layers)
    assert "127.0.0.1" in server
    assert "sitebind sandbox CA" in tls
    assert "User.Read.All" in sign_in
    assert f'the tenant "Example Ltd" ({known.DEMO_TENANT})' in base
    assert '"Synchronization Engine" <sync.engine@example.test>' in lookup
    assert [sighting.whereabouts for sighting in answer.sightings] == ["microsoft-365"]


async def test_a_synchronized_tenant_tells_of_its_active_directory(office: Office, tenant: Tenant) -> None:
    tenant.people[known.DEMO_PROBE].synchronized = True
    answer = await examined(office)
    assert [sighting.whereabouts for sighting in answer.sightings] == ["hybrid"]
    assert "come from an Active Directory" in answer.layers[3].detail


async def test_a_server_that_is_not_there_ends_the_way_first(clients: HttpClients, clock: ManualClock) -> None:
    office = Office(clients.client(Route()), clock, registration_at("https://localhost:1"))
    last = ended_at(await examined(office), "directory server")
    assert last.fault is not None
    assert last.fault.fault is Fault.UNREACHABLE


async def test_a_certificate_that_proves_nothing_ends_the_way_at_tls(
    clients: HttpClients, clock: ManualClock, sandbox: Sandbox
) -> None:
    """No secret is sent there."""
    office = Office(clients.client(Route()), clock, registration_at(sandbox.microsoft_url))
    last = ended_at(await examined(office), "directory tls")
    assert last.fault is not None
    assert last.fault.fault is Fault.CERTIFICATE_UNTRUSTED
    assert sandbox.calls == {}


async def test_a_refused_secret_ends_the_way_at_the_sign_in(office: Office) -> None:
    last = ended_at(await examined(office.registered(client_secret=Secret("mistyped"))), "directory sign-in")
    assert last.fault is not None
    assert last.fault.fault is Fault.CLIENT_SECRET_REFUSED


async def test_a_token_without_roles_names_every_permission(office: Office, sandbox: Sandbox) -> None:
    sandbox.script.start("missing-consent")
    last = ended_at(await examined(office), "directory sign-in")
    assert last.fault is not None
    assert last.fault.fault is Fault.CONSENT_MISSING
    assert "User.Read.All" in last.detail
    assert "GroupMember.Read.All" in last.detail
    assert "up to two hours" in last.fault.fault.remedy


async def test_a_consent_given_meanwhile_is_seen_though_the_old_token_is_kept(office: Office, sandbox: Sandbox) -> None:
    """The administrator must not wait for a token's end."""
    sandbox.script.start("missing-consent")
    await examined(office)
    sandbox.script.heal()
    assert {layer.status for layer in (await examined(office)).layers} == {"passed"}


async def test_a_person_who_asks_has_the_secret_proved_anew(office: Office, sandbox: Sandbox) -> None:
    """A token that is kept must not hide that the secret was deleted."""
    await examined(office)
    sandbox.script.start("wrong-client-secret")
    last = ended_at(await examined(office, afresh=True), "directory sign-in")
    assert last.fault is not None
    assert last.fault.fault is Fault.CLIENT_SECRET_REFUSED


async def test_a_tenant_whose_name_is_not_readable_is_tolerated(office: Office, tenant: Tenant) -> None:
    roles(tenant, known.GRAPH_ROLES - {"Organization.Read.All"})
    answer = await examined(office)
    assert answer.layers[3].status == "passed"
    assert "not readable" in answer.layers[3].detail
    assert answer.sightings == ()


async def test_unreadable_contacts_are_a_warning(office: Office, tenant: Tenant) -> None:
    roles(tenant, known.GRAPH_ROLES - {"OrgContact.Read.All"})
    layer = (await examined(office)).layers[2]
    assert layer.status == "warning"
    assert "OrgContact.Read.All" in layer.remedy


async def test_an_account_that_the_tenant_does_not_know_fails_the_look_up(office: Office) -> None:
    last = ended_at(await examined(office, lookup="ada.lovelase@example.test"), "lookup")
    assert last.fault is not None
    assert last.fault.fault is Fault.DIRECTORY_OBJECT_MISSING
    assert "Ada Lovelace" in last.detail


async def test_without_an_address_nothing_is_looked_up(office: Office) -> None:
    assert (await examined(office, lookup="")).layers[-1].status == "skipped"


@pytest.mark.parametrize(
    "trouble, fault",
    [
        ("throttled", Fault.THROTTLED),
        ("service-error", Fault.SERVICE_ERROR),
        ("empty-body", Fault.ANSWER_MALFORMED),
        ("malformed-body", Fault.ANSWER_MALFORMED),
        ("wrong-shape", Fault.ANSWER_MALFORMED),
        ("huge-body", Fault.ANSWER_TOO_LARGE),
        ("reset", Fault.CONNECTION_LOST),
        ("half-body", Fault.CONNECTION_LOST),
    ],
)
async def test_trouble_with_graph_is_told_apart_everywhere(
    office: Office, sandbox: Sandbox, trouble: str, fault: Fault
) -> None:
    """In the examination, in a look-up and in the middle of a group's members."""
    group = await only(office, known.DEMO_GROUP)
    sandbox.script.start(trouble, endpoint="graph")
    last = ended_at(await examined(office), "base dn")
    assert last.fault is not None
    assert last.fault.fault is fault
    for act in (found(office, "ada@example.test"), members(office, group)):
        with pytest.raises(ProviderFault) as caught:
            await act
        assert caught.value.fault is fault
        assert_tells_no_secret(caught.value, {known.DEMO_GRAPH_SECRET})


async def test_an_address_outside_the_domains_is_not_said_to_be_missing(office: Office) -> None:
    """Nobody was asked, so nothing is known of the tenant."""
    last = ended_at(await examined(office, domains=("other.test",)), "lookup")
    assert last.fault is not None
    assert last.fault.fault is Fault.DIRECTORY_OBJECT_MISSING
    assert last.detail == (
        f'"{known.DEMO_MAILBOX}" cannot be found: example.test is not among [directory] domains, so it is not '
        "looked up here"
    )
    assert "[directory] base_dn or domains" in last.fault.fault.remedy
