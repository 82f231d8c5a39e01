"""What the feed tells, one value for each thing that happened, and what a client of it holds.

Made by `daemon.engine.feed` and `daemon.engine.following`; written on the wire by `daemon.web.events`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Protocol, get_args

from daemon.engine.operations import SiteView
from daemon.ports import AuditRecord, BindState
from states import BindStep, State

Kind = Literal["audit", "site", "bind", "step", "layer", "counters"]
KINDS: Final[frozenset[Kind]] = frozenset(get_args(Kind))
"""All of them. Who follows may name some: what nobody reads is not made."""

# One happening goes to many clients, so each is told from the others by what it is and not by what it holds.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """An audit record was committed."""

    kind: ClassVar[Kind] = "audit"
    record: AuditRecord


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordsGone:
    """Records from `first` to `last` would come now, but were pruned."""

    kind: ClassVar[Kind] = "audit"
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteChanged:
    """A site looks like this now. Changes that a client did not fetch in time are one."""

    kind: ClassVar[Kind] = "site"
    view: SiteView


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BindChanged:
    """A bind began or ended."""

    kind: ClassVar[Kind] = "bind"
    site: str
    bind_id: str
    state: BindState


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepEnded:
    """A step of an open bind ended."""

    kind: ClassVar[Kind] = "step"
    site: str
    bind_id: str
    step: BindStep


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerEnded:
    """The doctor finished a layer. `run` is the id of the request that asked for the examination."""

    kind: ClassVar[Kind] = "layer"
    site: str
    run: str
    layer: BindStep


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """How many sites are in each state, and how many records the audit trail has."""

    kind: ClassVar[Kind] = "counters"
    sites: Mapping[State, int]
    records: int


Happening = Recorded | RecordsGone | SiteChanged | BindChanged | StepEnded | LayerEnded | Counted


class Following(Protocol):
    """What one client of the feed holds. Must be closed."""

    @property
    def woken(self) -> asyncio.Event:
        """Set while there may be something to take."""

    @property
    def dropped(self) -> bool:
        """Whether the client was too slow: nothing more comes."""

    async def take(self) -> list[Happening]:
        """What happened since, in order; a bounded number, and none when nothing did.

        Raises `daemon.ports.JournalUnavailable` when older records are wanted and cannot be read.
        """

    def close(self) -> None:
        """End it. Closing twice is well."""
