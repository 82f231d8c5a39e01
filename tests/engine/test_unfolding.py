"""Answers as they arrive, without a directory: how much of them is held in memory, and what the end says."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from daemon.engine.unfolding import MOST_LISTED, Asked, Recalled, in_one_piece
from daemon.ports import DirectoryObject, ProviderFault, Resolution
from states import Fault
from tests import resolutions

FOUND = replace(resolutions.FOUND, reasons=("known before",))


class Company:
    """A directory's group of `size` people; `closed` once nobody listens any more."""

    def __init__(self, size: int, *, fails: bool = False) -> None:
        self.size = size
        self.fails = fails
        self.given = 0
        self.closed = False

    async def members(self) -> AsyncGenerator[DirectoryObject, None]:
        try:
            for number in range(self.size):
                self.given = number + 1
                address = f"person{number}@example.test"
                yield DirectoryObject(
                    kind="user",
                    id=str(number),
                    display_name=f"Person {number}",
                    primary_address=address,
                    addresses=(address,),
                    enabled=True,
                    mail_enabled=True,
                    source="ldap:dc1",
                )
            if self.fails:
                raise ProviderFault(Fault.DIRECTORY_UNREACHABLE, "dc1 is gone")
        finally:
            self.closed = True


def asked(company: Company, kept: list[Resolution], *, most: int = 1_000_000) -> Asked:
    return Asked(FOUND, company.members(), most=most, seconds=lambda: 2.5, keep=kept.append)


async def test_a_long_list_is_never_held_in_memory() -> None:
    """Ten times as many members as an answer in one piece may have pass through a few megabytes."""
    kept: list[Resolution] = []
    unfolding = asked(Company(10 * MOST_LISTED), kept)
    tracemalloc.start()
    try:
        async with aclosing(unfolding.members()) as members:
            count = sum([1 async for _ in members])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (count, kept) == (10 * MOST_LISTED, [])
    assert peak < 16 * 1024 * 1024
    assert not unfolding.ended().truncated


async def test_an_answer_in_one_piece_ends_and_says_so() -> None:
    """No more is asked of the directory than that; and half a list is not remembered."""
    kept: list[Resolution] = []
    company = Company(3 * MOST_LISTED)
    whole = await in_one_piece(asked(company, kept))
    assert whole.members is not None
    assert (len(whole.members), whole.truncated, kept) == (MOST_LISTED, True, [])
    assert whole.reasons[0] == "known before"
    assert "application/x-ndjson" in whole.reasons[1]
    assert (company.given, company.closed) == (MOST_LISTED + 1, True)


async def test_a_list_of_just_that_many_is_whole_and_remembered() -> None:
    kept: list[Resolution] = []
    whole = await in_one_piece(asked(Company(MOST_LISTED), kept))
    assert whole.members is not None
    assert (len(whole.members), whole.truncated, kept) == (MOST_LISTED, False, [whole])
    again = await in_one_piece(Recalled(whole))
    assert again == whole


async def test_the_configured_cap_ends_the_list_and_is_remembered_with_it() -> None:
    """Another cap is another setting, with which nothing of this is answered."""
    kept: list[Resolution] = []
    company = Company(50)
    whole = await in_one_piece(asked(company, kept, most=20))
    assert whole.members is not None
    assert (len(whole.members), whole.truncated, whole.reasons) == (20, True, ("known before",))
    assert (kept, company.closed) == ([whole], True)


async def test_whoever_leaves_early_leaves_no_search_open_and_nothing_remembered() -> None:
    kept: list[Resolution] = []
    company = Company(50)
    async with aclosing(asked(company, kept).members()) as members:
        await anext(members)
    assert (company.given, company.closed, kept) == (1, True, [])


async def test_a_list_that_fails_on_its_way_is_not_remembered() -> None:
    kept: list[Resolution] = []
    with pytest.raises(ProviderFault, match="dc1 is gone"):
        await in_one_piece(asked(Company(5, fails=True), kept))
    assert kept == []
