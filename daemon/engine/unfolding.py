"""An answer of a directory as it arrives: the object at once, then its members one after the other, then the end.

Made by `resolving.py`. No more than `MOST_LISTED` members are ever held in memory for it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from daemon.engine.operations import Unfolding
from daemon.ports import DirectoryObject, Resolution

MOST_LISTED: Final = 10_000
"""Members of an answer in one piece, and of one that is remembered; some six megabytes."""

_NO_MEMBERS: Final = (
    "the group exists, but nobody is in it, neither directly nor through groups inside it (or whoever looks up may "
    "not see them)"
)
_NO_USE: Final = "the group has members, but each of them is disabled, without a licence, or without a mail address"
_CUT: Final = (
    f"an answer in one piece ends at {MOST_LISTED} members: sitebind resolve --members without --json, and "
    "Accept: application/x-ndjson, give them as they come, up to [directory] members_limit"
)


class Recalled:
    """A remembered answer."""

    def __init__(self, known: Resolution) -> None:
        self._known = known

    @property
    def head(self) -> Resolution:
        """See `Unfolding`."""
        return self._known if self._known.members is None else replace(self._known, members=())

    async def members(self) -> AsyncGenerator[DirectoryObject, None]:
        """See `Unfolding`."""
        for member in self._known.members or ():
            yield member

    def ended(self) -> Resolution:
        """See `Unfolding`."""
        return replace(self._known, members=None)


class Asked:
    """An answer that comes from the directory now. `source` gives the members; None where there are none to list.

    After `most` members it ends, and says that there are more. `seconds` tells how long it took so far. `keep` is
    called with the whole answer once it is complete, unless it has more than `MOST_LISTED` members.
    """

    def __init__(
        self,
        found: Resolution,
        source: AsyncIterator[DirectoryObject] | None,
        *,
        most: int,
        seconds: Callable[[], float],
        keep: Callable[[Resolution], None],
    ) -> None:
        self._found = found
        self._source = source
        self._most = most
        self._seconds = seconds
        self._keep = keep
        self._count = 0
        self._useful = False
        self._truncated = False

    @property
    def head(self) -> Resolution:
        """See `Unfolding`."""
        return self._found if self._source is None else replace(self._found, members=())

    async def members(self) -> AsyncGenerator[DirectoryObject, None]:
        """See `Unfolding`."""
        if self._source is None:
            self._keep(self.ended())
            return
        kept: list[DirectoryObject] = []
        try:
            async for member in self._source:
                if self._count == self._most:
                    self._truncated = True
                    break
                self._count += 1
                self._useful = self._useful or _can_be_worked_with(member)
                if self._count <= MOST_LISTED:
                    kept.append(member)
                else:
                    kept.clear()
                yield member
        finally:
            if isinstance(self._source, AsyncGenerator):
                await self._source.aclose()
        if self._count <= MOST_LISTED:
            self._keep(replace(self.ended(), members=tuple(kept)))

    def ended(self) -> Resolution:
        """See `Unfolding`."""
        reasons = (*self._found.reasons, *self._why_nothing())
        seconds = round(self._seconds(), 4)
        return replace(self._found, truncated=self._truncated, reasons=reasons, seconds=seconds)

    def _why_nothing(self) -> Sequence[str]:
        """Why a group that exists may still resolve to nothing that can be worked with."""
        if self._source is None or self._useful:
            return ()
        return (_NO_USE,) if self._count else (_NO_MEMBERS,)


async def in_one_piece(unfolding: Unfolding) -> Resolution:
    """The answer with its members, `MOST_LISTED` at the most; it says so if it ends there. Raises `ProviderFault`."""
    listed: list[DirectoryObject] = []
    async with aclosing(unfolding.members()) as members:
        async for member in members:
            if len(listed) == MOST_LISTED:
                end = unfolding.ended()
                return replace(end, members=tuple(listed), truncated=True, reasons=(*end.reasons, _CUT))
            listed.append(member)
    return replace(unfolding.ended(), members=None if unfolding.head.members is None else tuple(listed))


def _can_be_worked_with(member: DirectoryObject) -> bool:
    return member.enabled is not False and member.licensed is not False and member.mail_enabled
