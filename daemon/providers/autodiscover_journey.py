"""What one search by autodiscover has seen so far, and what it comes to. Kept by `autodiscover.py`; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from daemon.ports import ProviderFault
from daemon.providers.autodiscover_answers import Declined
from daemon.providers.autodiscover_trust import Standing, Trust, domain_of, origin
from daemon.providers.ews_signin import IN_VAIN, host_of
from daemon.providers.quoting import quoted
from states import Fault

MOST_REDIRECTS: Final = 10
_LONGEST: Final = 600

OURS: Final = frozenset(
    {
        Fault.PROXY_NAME_NOT_RESOLVED,
        Fault.PROXY_UNREACHABLE,
        Fault.PROXY_SETTING_UNUSABLE,
        Fault.PROXY_AUTHENTICATION,
        Fault.CA_FILE_UNREADABLE,
    }
)
"""What would be said of every place alike: the search ends there."""

NO_WAY: Final = frozenset(
    {
        Fault.NAME_NOT_RESOLVED,
        Fault.UNREACHABLE,
        Fault.CONNECTION_LOST,
        Fault.TIMED_OUT,
        Fault.TLS_FAILED,
        Fault.CERTIFICATE_UNTRUSTED,
        Fault.PROXY_REFUSED,
    }
)
"""What is said of a host, and not of one of its paths."""


class TooManyRedirects(Exception):
    """The search was sent on more often than it follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What a search came to: `ews_url` and whose host that is, or the `fault` that says why there is none.

    `refused`: places were found, but each refused the sign-in; then there is neither `ews_url` nor `fault`.
    `strangers` are hosts and domains outside the address's own that it was led to. `online`: to Microsoft 365.
    `place` is the one that answered.
    """

    address: str
    detail: str
    ews_url: str = ""
    place: str = ""
    online: str = ""
    strangers: tuple[str, ...] = ()
    fault: ProviderFault | None = None
    refused: ProviderFault | None = None


@dataclass(slots=True, kw_only=True)
class Journey:
    """`first` is the place that the configuration names; `trust` grows with a domain that was sent to.

    `secrets` are taken out of everything that is kept.
    """

    address: str
    trust: Trust
    first: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    led_online: str = ""
    _said: dict[str, list[str]] = field(default_factory=dict)
    _chain: list[tuple[str, str]] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _redirects: int = 0
    _refusals: list[ProviderFault] = field(default_factory=list)
    _broken: dict[str, ProviderFault] = field(default_factory=dict)
    _distrusted: list[str] = field(default_factory=list)
    _strangers: list[str] = field(default_factory=list)
    _unknown_user: bool = False
    _retry_after: float | None = None

    # On the way.

    @property
    def depth(self) -> int:
        """How long the chain of redirects is now, to go back to with `back_to`."""
        return len(self._chain)

    def back_to(self, depth: int) -> None:
        """Leave the places that were asked since `depth`."""
        del self._chain[depth:]

    def enter(self, place: str, address: str) -> bool:
        """Go to a place; False where it was asked already, and a circle is told as one."""
        step = (place, address.casefold())
        if step in self._chain:
            circle = [*self._chain[self._chain.index(step) :], step]
            several = len({who for _, who in circle}) > 1
            shown = " → ".join(f"{where} for {quoted(who)}" if several else where for where, who in circle)
            self.say(place, f"it redirects in a circle: {shown}")
            return False
        if step in self._seen:
            return False
        self._chain.append(step)
        self._seen.add(step)
        return True

    def redirected(self) -> None:
        """Count a redirect. Raises `TooManyRedirects`."""
        self._redirects += 1
        if self._redirects > MOST_REDIRECTS:
            raise TooManyRedirects

    def say(self, place: str, what: str) -> None:
        """Keep what a place said."""
        said, line = self._said.setdefault(place, []), quoted(what, secrets=self.secrets, longest=_LONGEST)
        if line not in said:
            said.append(line)

    def declined(self, place: str, by: str, *, answer: Declined) -> None:
        """A place did not help."""
        self.say(place, f"{by}: {answer.said}")
        self._unknown_user = self._unknown_user or answer.unknown_user
        self._waits(answer.retry_after)

    def failed(self, place: str, by: str, *, fault: ProviderFault) -> None:
        """A place could not be asked."""
        self.say(place, fault.detail if fault.fault in NO_WAY else f"{by}: {fault.detail}")
        self._waits(fault.retry_after)
        if fault.fault in IN_VAIN:
            self._refusals.append(fault)
        if fault.fault in NO_WAY:
            self._broken[place] = fault

    def distrust(self, place: str) -> None:
        """A place outside the domain was named by a way that anybody can forge."""
        self.say(place, "not asked, because it lies outside the domain and was named by a way that can be forged")
        self._distrusted.append(host_of(place))

    def departed(self, stranger: str) -> None:
        """A trusted answer leads out of the domain."""
        if stranger not in self._strangers:
            self._strangers.append(stranger)

    def readdressed(self, address: str) -> None:
        """A trusted answer sends to another address, whose domain then counts as the account's own."""
        domain = domain_of(address)
        if self.trust.of(f"https://{domain}") is Standing.STRANGER:
            self.departed(domain)
            self.trust = replace(self.trust, domains=(*self.trust.domains, domain))

    def _waits(self, asked: float | None) -> None:
        if asked is not None:
            self._retry_after = max(asked, self._retry_after or 0.0)

    # At the end.

    def arrived(self, ews_url: str, *, place: str, by: str) -> Discovery:
        """The address of EWS is known."""
        online = self.trust.of(ews_url) is Standing.MICROSOFT
        earlier = self._everything(but=place)
        detail = f"autodiscover of {self.address} at {place} ({by}) leads to {quoted(ews_url, secrets=self.secrets)}"
        return Discovery(
            address=self.address,
            detail=f"{detail}; before that {earlier}" if earlier else detail,
            ews_url=ews_url,
            place=place,
            online=host_of(ews_url) if online else "",
            strangers=tuple(self._strangers),
        )

    def lost(self, *, endless: bool = False) -> Discovery:
        """Nothing was found: say so with every place and what it said."""
        said = self._everything() or "there is no place to ask"
        detail = f"autodiscover of {self.address} found nothing: {said}"
        if endless:
            detail = f"autodiscover of {self.address} was redirected more than {MOST_REDIRECTS} times: {said}"
        if self.led_online and not (endless or self._distrusted):
            return Discovery(address=self.address, detail=detail, online=self.led_online)
        if self._refusals and not (endless or self._distrusted or self._unknown_user):
            return Discovery(address=self.address, detail=detail, refused=self._worst_refusal())
        fault = ProviderFault(self._verdict(endless=endless), detail, retry_after=self._retry_after)
        return Discovery(address=self.address, detail=detail, fault=fault)

    def _verdict(self, *, endless: bool) -> Fault:
        if self._distrusted and not endless:
            return Fault.AUTODISCOVER_UNTRUSTED
        if self._unknown_user and not endless:
            return Fault.MAILBOX_MISSING
        hosts = [place for place in self._said if place.startswith("https://")]
        first = self._broken.get(origin(self.first)) if self.first else None
        # The named place is the one that has to work: what keeps from it is what has to be mended.
        if first is not None and all(place in self._broken for place in hosts):
            return first.fault
        return Fault.AUTODISCOVER_FAILED

    def _worst_refusal(self) -> ProviderFault:
        refused = [each for each in self._refusals if each.fault is Fault.MAILBOX_SIGN_IN_REFUSED]
        return (refused or self._refusals)[0]

    def _everything(self, *, but: str = "") -> str:
        places = ((place, said) for place, said in self._said.items() if place != but)
        return "; ".join(f"{place}: {', '.join(said)}" for place, said in places)
