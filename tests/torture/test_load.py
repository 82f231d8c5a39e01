"""What was promised and is not there is found: without this, no run of the torture would prove anything."""

from __future__ import annotations

import pytest

from tests.torture.left import Left
from tests.torture.load import BindKnown, Promise, Recorded, TokenKnown, Written, kept

LEFT = Left(
    records=3,
    requests=frozenset({"load-1-1"}),
    binds={"oslo-1": "succeeded", "oslo-2": "open"},
    tokens=frozenset({"t-1"}),
    names={"oslo": 7},
)


def bind(name: str, end: str) -> Promise:
    return BindKnown(request="load-1-1", what="a bind", bind=name, end=end)


def token(name: str, *, is_valid: bool) -> Promise:
    return TokenKnown(request="load-1-1", what="a token", token=name, is_valid=is_valid)


def written(number: int) -> Promise:
    return Written(request="load-1-1", what="a change", site="oslo", number=number)


@pytest.mark.parametrize(
    "promise",
    [
        Recorded(request="load-1-1", what="a call"),
        bind("oslo-1", "open"),
        bind("oslo-1", "succeeded"),
        token("t-1", is_valid=True),
        token("t-2", is_valid=False),
        written(6),
        written(7),
    ],
)
def test_what_is_there_is_kept(promise: Promise) -> None:
    assert kept([promise], LEFT) == 1


@pytest.mark.parametrize(
    "promise",
    [
        Recorded(request="load-1-2", what="a call"),
        bind("oslo-3", "open"),
        bind("oslo-2", "succeeded"),
        token("t-2", is_valid=True),
        token("t-1", is_valid=False),
        written(8),
    ],
)
def test_what_is_missing_is_said(promise: Promise) -> None:
    with pytest.raises(AssertionError, match=f"1 of 1 are broken.+{promise.what}, answered as {promise.request}"):
        kept([promise], LEFT)
