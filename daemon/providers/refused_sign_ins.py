"""Sign-ins that were refused lately, so that no loop of lookups, binds or doctor runs locks an account.

One object is shared by every adapter that signs in with a password or a secret; it lives in memory only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from daemon.ports import ProviderFault, Secret

PAUSE: Final = 15 * 60.0
"""Seconds for which a refused sign-in is not tried again: longer than what most lockout policies count in."""

SignIn = tuple[str | Secret, ...]
"""Everything that a sign-in consists of: where, who, and the password. A changed one is another one."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a sign-in is proved by, in the words of its pause: why there is one, and what is another sign-in."""

    why: str
    another: str


PASSWORD: Final = Proof("so as not to lock the account, ", "another user or password")


@dataclass(frozen=True, slots=True)
class _Refusal:
    fault: ProviderFault
    since: float
    until: float
    proof: Proof


class RefusedSignIns:
    """By place, user and password: whoever else uses the same sign-in waits too, a changed one is tried at once."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._asked = False
        self._refused: dict[SignIn, _Refusal] = {}
        self._turns: WeakValueDictionary[SignIn, asyncio.Lock] = WeakValueDictionary()

    def asked_by_a_person(self) -> RefusedSignIns:
        """The same memory for whoever asked for this try: nothing holds it back, and how it ends is remembered."""
        view = RefusedSignIns(self._monotonic)
        view._asked, view._refused, view._turns = True, self._refused, self._turns
        return view

    def check(self, key: SignIn) -> None:
        """Raise the fault of `key` anew while it is not to be tried. What it says then happened at an earlier try."""
        refusal, now = None if self._asked else self._refused.get(key), self._monotonic()
        if refusal is None or refusal.until <= now:
            return
        fault, ago, left = refusal.fault, _ago(now - refusal.since), _in_words(refusal.until - now)
        raise ProviderFault(
            fault.fault,
            f"{fault.detail}; that was {ago}: {refusal.proof.why}it is not tried again for {left}; "
            f"{refusal.proof.another} and `sitebind rebind` are tried at once",
        )

    def note(self, key: SignIn, fault: ProviderFault, *, pause: float = PAUSE, proof: Proof = PASSWORD) -> None:
        """Remember that `key` was refused; for `pause` seconds `check` gives the same fault."""
        now = self._monotonic()
        for other in [other for other, refusal in self._refused.items() if refusal.until <= now]:
            del self._refused[other]
        # A copy without a traceback: the raised one holds frames, and those hold the password.
        self._refused[key] = _Refusal(ProviderFault(fault.fault, fault.detail), now, now + pause, proof)

    def forget(self, key: SignIn) -> None:
        """`key` was accepted, or met another obstacle than what it was refused for."""
        self._refused.pop(key, None)

    @asynccontextmanager
    async def turn(self, key: SignIn) -> AsyncIterator[None]:
        """Sign in within it: equal sign-ins go one at a time, so that many at once spend one try and not many.

        Raises as `check` does, also for those that waited while the first one was refused.
        """
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            self.check(key)
            yield


def _in_words(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _ago(seconds: float) -> str:
    return "just now" if seconds < 1 else f"{_in_words(seconds)} ago"
