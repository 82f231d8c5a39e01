"""What an answer of autodiscover says, whichever protocol it came by. Pure values; see `autodiscover.py`.

Where it leads is foreign text and shows in no `repr`: a server may repeat in it what it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Found:
    """The address of EWS."""

    ews_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Moved:
    """Ask at another address."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Readdressed:
    """Ask anew for another mail address."""

    address: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """No help, with what was said in a clause. `unknown_user`: the server knows no such address."""

    said: str
    unknown_user: bool = False
    retry_after: float | None = None


Reading = Found | Moved | Readdressed | Declined
