"""Permissions are read from a token to advise, whatever the token looks like."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.ports import Secret
from daemon.providers.app_roles import CONTACTS, GROUPS, MAIL, USERS, consent_missing, granted
from states import Fault


def token(payload: object) -> Secret:
    packed = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    return Secret(f"e30.{packed}.c2ln")


def test_the_roles_of_a_token_are_read() -> None:
    assert granted(token({"roles": ["User.Read.All", 7, "Mail.Read"]})) == {"User.Read.All", "Mail.Read"}


def test_a_token_without_the_claim_has_no_roles() -> None:
    """Where nobody consented, the claim is missing altogether."""
    assert granted(token({"aud": "x"})) == frozenset()


@pytest.mark.parametrize(
    "opaque",
    [
        Secret("opaque"),
        Secret("a.b"),
        Secret("a.%%%.c"),
        Secret("a.bm90IGpzb24.c"),
        Secret(f"a.{'A' * 70_000}.c"),
        token(["roles"]),
        token({"roles": "User.Read.All"}),
    ],
)
def test_what_cannot_be_read_tells_nothing_and_meets_every_need(opaque: Secret) -> None:
    """Graph then says itself what it refuses."""
    assert granted(opaque) is None
    assert USERS.met_by(granted(opaque))


@given(st.text())
def test_no_token_breaks_the_reading(text: str) -> None:
    found = granted(Secret(text))
    assert found is None or isinstance(found, frozenset)


@pytest.mark.parametrize("need", [USERS, GROUPS, CONTACTS])
def test_reading_the_whole_directory_is_enough_for_everything_in_it(need: object) -> None:
    assert need.met_by(frozenset({"Directory.Read.All"}))  # type: ignore[attr-defined]
    assert not MAIL.met_by(frozenset({"Directory.Read.All"}))


def test_missing_permissions_are_named_with_what_they_are_for() -> None:
    fault = consent_missing((USERS, GROUPS), client_id="the-client")
    assert fault.fault is Fault.CONSENT_MISSING
    assert "the-client lacks the application permission User.Read.All or Directory.Read.All (to read users)" in (
        fault.detail
    )
    assert "GroupMember.Read.All or Group.Read.All" in fault.detail
    assert "Permissions can take up to two hours" in fault.fault.remedy
