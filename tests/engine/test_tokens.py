"""Making tokens: what is refused, two of a name for a rotation, expiry."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from daemon.engine.operations import Caller
from daemon.engine.tokens import MOST_TOKENS, TokenBook, TokenRefused, new_token
from daemon.ports import Scope
from tests.clock import ManualClock
from tests.web.memory_access import MemoryJournal, MemoryTokens

ME = Caller(actor="unix:uid=0")
READ = frozenset({Scope.READ})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def book(clock: ManualClock) -> TokenBook:
    return TokenBook(MemoryTokens(MemoryJournal()), clock=clock)


def test_a_token_is_256_random_bits() -> None:
    """43 characters of base64 behind the name, never the same."""
    one, two = new_token().reveal(), new_token().reveal()
    assert one != two
    assert len(one.removeprefix("sitebind_")) == 43


async def test_two_valid_ones_of_a_name_and_no_third(book: TokenBook, clock: ManualClock) -> None:
    """Enough to roll over, too few to lose sight of; an expired one does not count."""
    first, _ = await book.create("a", READ, lifetime=timedelta(hours=1), caller=ME)
    await clock.advance(1)
    await book.create("a", READ, lifetime=None, caller=ME)
    with pytest.raises(TokenRefused, match=first.id):
        await book.create("a", READ, lifetime=None, caller=ME)
    await clock.advance(3601)
    await book.create("a", READ, lifetime=None, caller=ME)
    assert [token.is_valid(clock.now()) for token in book.all()] == [False, True, True]


async def test_two_requests_at_once_do_not_make_a_third(book: TokenBook) -> None:
    """The count is taken and used in one turn."""
    made = await asyncio.gather(
        *(book.create("a", READ, lifetime=None, caller=ME) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, TokenRefused) for one in made) == 3
    assert len(book) == 2


@pytest.mark.parametrize(
    "name, scopes, life, field",
    [
        ("", READ, None, "name"),
        ("a b", READ, None, "name"),
        ("-a", READ, None, "name"),
        ("a" * 64, READ, None, "name"),
        ("a", frozenset(), None, "scopes"),
        ("a", frozenset({Scope.HEALTH}), None, "scopes"),
        ("a", READ, timedelta(0), "expires_in"),
        ("a", READ, timedelta(days=4000), "expires_in"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_field(
    book: TokenBook, name: str, scopes: frozenset[Scope], life: timedelta | None, field: str
) -> None:
    """And nothing is kept."""
    with pytest.raises(TokenRefused) as refused:
        await book.create(name, scopes, lifetime=life, caller=ME)
    assert (refused.value.field, len(book)) == (field, 0)


async def test_there_is_an_end_to_tokens(book: TokenBook) -> None:
    """A loop that makes tokens does not fill the disk."""
    for number in range(MOST_TOKENS):
        await book.create(f"n{number}", READ, lifetime=None, caller=ME)
    with pytest.raises(TokenRefused, match="revoke"):
        await book.create("more", READ, lifetime=None, caller=ME)
