"""Members of a group that lie in other domains: they cannot be listed, so they are counted and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sansldap

from tests.directory.conftest import Adapters
from tests.directory.scripted import BASE_DN, Attributes, Reply, Scripted, group, serving, user
from tests.directory.test_ldap_errors import access_to

Lists = dict[str, list[bytes]]
FAR = [f"CN=Far {one},DC=far,DC=test".encode() for one in range(3500)]
NEAR = f"CN=near,{BASE_DN}".encode()
INNER = f"CN=Inner,{BASE_DN}"
FOREST = [f"CN={sid},CN=ForeignSecurityPrincipals,{BASE_DN}".encode() for sid in ("S-1-5-21-1-2-3-1105", "S-1-5-11")]
MISSING = "of its members, counting those of groups inside it,"


def range_of(members: list[bytes], asked: str) -> Attributes:
    """What a domain controller gives at a time; Samba gives all of them, so that this needs a script."""
    start = int(asked.removeprefix("member;range=").partition("-")[0])
    some = members[start : start + 1500]
    return {f"member;range={start}-{'*' if start + 1500 >= len(members) else start + len(some) - 1}": some}


def values_in(wanted: sansldap.LDAPFilter) -> Iterator[bytes]:
    """What a filter compares with."""
    for inner in getattr(wanted, "filters", ()):
        yield from values_in(inner)
    if isinstance(wanted, sansldap.FilterEquality):
        yield wanted.value


def groups(lists: Lists, *, addressed: bool) -> Callable[[sansldap.SearchRequest], Reply]:
    """Outer holds Inner, and each what `lists` says; `addressed`: also a user in this domain who receives mail."""

    def search(request: sansldap.SearchRequest) -> Reply:
        asked, [base] = request.attributes[0], [name for name in lists if name in request.base_object] or [""]
        ranged = range_of(lists[base or "Inner"], asked) if asked.startswith("member") else {}
        if base:
            return Reply([group(base, **ranged)])
        if b"CN=Outer" not in b"".join(values_in(request.filter)):
            return Reply()
        if ranged:
            return Reply([group("Inner", **ranged)])
        return Reply([user("near")] if addressed else [])

    return search


@pytest.mark.parametrize(
    "lists, addressed, reasons",
    [
        ({"Outer": [NEAR], "Inner": []}, True, []),
        ({"Outer": [NEAR, *FAR[:2]], "Inner": []}, True, [f"2 {MISSING} lie in other domains"]),
        ({"Outer": [NEAR], "Inner": [NEAR, *FAR]}, True, [f"3500 {MISSING} lie in other domains"]),
        ({"Outer": [NEAR, FAR[0]], "Inner": [FAR[0]]}, True, [f"1 {MISSING} lies in another domain"]),
        ({"Outer": [NEAR, *FOREST], "Inner": []}, True, [f"1 {MISSING} lies in another domain"]),
        (
            {"Outer": FAR, "Inner": []},
            False,
            ["it resolves to nothing: it has no members in this domain", f"3500 {MISSING} lie in other domains"],
        ),
    ],
    ids=["none", "its own", "of a group inside it", "each once", "of another forest", "nobody else"],
)
async def test_members_in_other_domains_are_counted_and_told(
    plain: Adapters, lists: Lists, addressed: bool, reasons: list[str]
) -> None:
    """Whoever else belongs to the group: they are missing in its list, and nobody would know."""
    script = Scripted(search=groups(lists, addressed=addressed))
    async with serving(script):
        found = await plain.directory(access_to(script)).find(f"CN=Outer,{BASE_DN}")
    told = found.reasons[1:]
    assert len(told) == len(reasons)
    assert all(each.startswith(reason) for each, reason in zip(told, reasons, strict=True))


async def test_a_long_list_of_members_is_read_range_by_range(plain: Adapters) -> None:
    script = Scripted(search=groups({"Outer": FAR, "Inner": []}, addressed=True))
    async with serving(script):
        await plain.directory(access_to(script)).find(f"CN=Outer,{BASE_DN}")
    asked = [each.attributes[0] for each in script.searches if each.base_object.startswith("CN=Outer")]
    ranges = [each for each in asked if each.startswith("member")]
    assert ranges == ["member;range=0-1499", "member;range=1500-2999", "member;range=3000-4499"]
