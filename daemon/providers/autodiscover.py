"""Finds where an address's mailbox is served: autodiscover, in the order of places that every client takes.

Called by `ews.py`. The places: the configured one, https://DOMAIN, https://autodiscover.DOMAIN, the redirect of
plain http://autodiscover.DOMAIN, and the SRV record. At each SOAP goes first, then POX, then JSON, which needs no
sign-in. The last two places can be forged by whoever sits on the way, so nothing is sent where they lead to unless
it is the address's own domain, a host that the configuration names, or Microsoft's; and there only JSON is asked,
for Microsoft takes no password.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urljoin, urlsplit

from daemon.ports import ProviderFault
from daemon.providers import autodiscover_json, autodiscover_pox, autodiscover_soap
from daemon.providers.answer import Answer
from daemon.providers.autodiscover_answers import Declined, Found, Moved, Readdressed, Reading
from daemon.providers.autodiscover_journey import NO_WAY, OURS, Discovery, Journey, TooManyRedirects
from daemon.providers.autodiscover_srv import SrvRecords
from daemon.providers.autodiscover_trust import Standing, Trust, domain_of, origin, why_unusable
from daemon.providers.ews_signin import IN_VAIN, Caller, Post, Wire, host_of
from daemon.providers.http import Terms
from daemon.providers.quoting import quoted

ENDPOINT: Final = "autodiscover"
"""The name that its calls are counted under."""

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_Protocol = Callable[[str, str], Awaitable[Reading]]


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place to ask, as https://host. `vouched`: it was not named by a way that can be forged."""

    place: str
    vouched: bool = True


class Autodiscover:
    """Searches with the sign-in of `caller`; without one only JSON is asked, and nobody learns a password."""

    def __init__(self, wire: Wire, caller: Caller | None, *, trust: Trust, srv: SrvRecords) -> None:
        self._wire = wire
        self._caller = caller
        self._secrets = caller.secrets if caller is not None else ()
        self._trust = trust
        self._srv = srv

    async def of(self, address: str, *, first: str = "") -> Discovery:
        """Search for `address`, at `first` before the usual places. Raises `ProviderFault` only for our own side."""
        journey = Journey(address=address, trust=self._trust, first=first, secrets=self._secrets)
        try:
            found = await self._searched(address, journey)
        except TooManyRedirects:
            return journey.lost(endless=True)
        return found or journey.lost()

    async def _searched(self, address: str, journey: Journey) -> Discovery | None:
        for places in (self._named, self._usual, self._by_http, self._by_srv):
            for spot in await places(address, journey):
                depth = journey.depth
                found = await self._visited(spot, address, journey)
                journey.back_to(depth)
                if found is not None:
                    return found
        return None

    # The places.

    async def _named(self, address: str, journey: Journey) -> list[_Spot]:
        return [_Spot(origin(journey.first))] if journey.first and address == journey.address else []

    async def _usual(self, address: str, _: Journey) -> list[_Spot]:
        domain = domain_of(address)
        return [_Spot(f"https://{domain}"), _Spot(f"https://autodiscover.{domain}")]

    async def _by_http(self, address: str, journey: Journey) -> list[_Spot]:
        place = f"http://autodiscover.{domain_of(address)}"
        try:
            there = await self._redirect_of(f"{place}{autodiscover_pox.PATH}")
        except ProviderFault as caught:
            fault = caught
        else:
            return self._spots(there, journey, place=place)
        _raise_ours(fault)
        journey.failed(place, "GET", fault=fault)
        return []

    async def _redirect_of(self, url: str) -> Reading:
        """Ask over plain HTTP for a redirect and for nothing else: no credentials, nothing is believed but a host."""
        answer = await self._wire.client.call(
            "GET",
            url,
            endpoint=ENDPOINT,
            headers={},
            application=self._wire.account,
            terms=Terms(cleartext=True, redirects=True),
        )
        if answer.status == 407:
            return Declined(said="the proxy wants a sign-in for plain HTTP, so it could not be asked")
        moved = _redirect(answer, url)
        return moved or Declined(said=f"{answer.status} instead of a redirect")

    async def _by_srv(self, address: str, journey: Journey) -> list[_Spot]:
        domain = domain_of(address)
        record = f"SRV _autodiscover._tcp.{domain}"
        places, why_none = await self._srv.of(domain)
        if not places:
            journey.say(record, why_none)
        return [spot for place in places for spot in self._spots(Moved(place), journey, place=record)]

    def _spots(self, reading: Reading, journey: Journey, *, place: str) -> list[_Spot]:
        """Where a forgeable place leads to."""
        if isinstance(reading, Declined):
            journey.declined(place, "GET", answer=reading)
        if not isinstance(reading, Moved) or not _followed(reading, journey, place=place):
            return []
        journey.redirected()
        return [_Spot(origin(reading.url), vouched=False)]

    # Asking them.

    async def _visited(self, spot: _Spot, address: str, journey: Journey) -> Discovery | None:
        """Ask a place, and those that it leads to, until one knows or nothing leads on."""
        while journey.enter(spot.place, address):
            standing = journey.trust.of(spot.place)
            if standing is Standing.STRANGER and not spot.vouched:
                journey.distrust(spot.place)
                return None
            _note_stranger(spot.place, journey)
            # What Microsoft says of a domain that a forger sent us to is no better than the way to it.
            vouched = spot.vouched or standing in {Standing.OWN, Standing.NAMED}
            reading, by = await self._asked(spot.place, address, journey)
            match reading:
                case Found(ews_url=url) if _followed(Moved(url), journey, place=spot.place):
                    if not vouched and journey.trust.of(url) is Standing.STRANGER:
                        journey.distrust(origin(url))
                        return None
                    _note_stranger(url, journey)
                    return journey.arrived(url, place=spot.place, by=by)
                case Readdressed(address=other) if _readdressed(other, journey, place=spot.place):
                    return await self._searched(other, journey)
                case Moved(url=url) if _followed(reading, journey, place=spot.place):
                    journey.redirected()
                    spot = _Spot(origin(url), vouched=vouched)
                case _:
                    return None
        return None

    async def _asked(self, place: str, address: str, journey: Journey) -> tuple[Reading | None, str]:
        """Ask by every protocol until one helps."""
        online = journey.trust.of(place) is Standing.MICROSOFT
        if online and self._caller is not None:
            journey.led_online = host_of(place)
        refused = False
        for by, protocol, signs_in in self._protocols(online=online):
            if refused and signs_in:
                continue
            try:
                reading = await protocol(place, address)
            except ProviderFault as caught:
                fault = caught
            else:
                if not isinstance(reading, Declined):
                    return reading, by
                journey.declined(place, by, answer=reading)
                if reading.retry_after is not None:
                    return None, ""  # whoever asks to wait is not asked again by another protocol
                continue
            _raise_ours(fault)
            journey.failed(place, by, fault=fault)
            if fault.fault in NO_WAY:
                return None, ""
            refused = fault.fault in IN_VAIN
        return None, ""

    def _protocols(self, *, online: bool) -> tuple[tuple[str, _Protocol, bool], ...]:
        """Name, question, and whether it signs in. Where one sign-in was refused, the next of the host would be too."""
        json = ("JSON", self._json, False)
        if self._caller is None or online:
            return (json,)
        return ("SOAP", partial(self._soap, self._caller), True), ("POX", partial(self._pox, self._caller), True), json

    async def _soap(self, caller: Caller, place: str, address: str) -> Reading:
        url = f"{place}{autodiscover_soap.PATH}"
        body = autodiscover_soap.request(address, url=url)
        post = Post(url=url, endpoint=ENDPOINT, body=body, action=autodiscover_soap.ACTION, redirects=True)
        answer = await caller.post(post)
        if answer.status not in {200, 500} or (answer.status == 500 and not answer.body):
            return _other(answer, url)
        return autodiscover_soap.read(answer, of=host_of(place), secrets=caller.secrets)

    async def _pox(self, caller: Caller, place: str, address: str) -> Reading:
        url = f"{place}{autodiscover_pox.PATH}"
        body = autodiscover_pox.request(address)
        answer = await caller.post(Post(url=url, endpoint=ENDPOINT, body=body, redirects=True))
        if answer.status != 200:
            return _other(answer, url)
        return autodiscover_pox.read(answer, of=host_of(place), secrets=caller.secrets)

    async def _json(self, place: str, address: str) -> Reading:
        url, request_id = f"{place}{autodiscover_json.path(address)}", self._wire.new_request_id()
        answer = await self._wire.client.call(
            "GET",
            url,
            endpoint=ENDPOINT,
            headers={"client-request-id": request_id},
            request_id=request_id,
            application=self._wire.account,
            terms=Terms(redirects=True),
        )
        return _redirect(answer, url) or autodiscover_json.read(answer, secrets=self._secrets)


def _other(answer: Answer, url: str) -> Reading:
    said = "it asks to wait" if answer.status in {429, 503} else ""
    declined = Declined(said=f"{answer.status}{f', {said}' if said else ''}", retry_after=answer.retry_after)
    return _redirect(answer, url) or declined


def _redirect(answer: Answer, url: str) -> Moved | Declined | None:
    """Where an answer redirects to; another page of the same host that is not autodiscover's leads nowhere."""
    if answer.status not in _REDIRECTS:
        return None
    try:
        there = urljoin(url, answer.headers.get("Location", "").strip())
        found, asked = urlsplit(there), urlsplit(url)
    except ValueError:
        return Declined(said=f"{answer.status} to what is no address")
    same_host = (found.scheme, found.netloc.lower()) == (asked.scheme, asked.netloc.lower())
    # Any other page of the same host is one for people; the question of autodiscover again is a circle.
    if same_host and "autodiscover" not in found.path.lower():
        return Declined(said=f"{answer.status} to another page of the same host")
    return Moved(there)


def _followed(moved: Moved, journey: Journey, *, place: str) -> bool:
    why = why_unusable(moved.url)
    if why:
        journey.say(place, f'it leads to "{quoted(moved.url, secrets=journey.secrets)}", which is not called: {why}')
    return not why


def _readdressed(address: str, journey: Journey, *, place: str) -> bool:
    if not _ADDRESS.fullmatch(address):
        journey.say(place, f'it sends to "{quoted(address, secrets=journey.secrets)}", which is no mail address')
        return False
    journey.redirected()
    journey.readdressed(address)
    return True


def _note_stranger(url: str, journey: Journey) -> None:
    if journey.trust.of(url) is Standing.STRANGER:
        journey.departed(host_of(url))


def _raise_ours(fault: ProviderFault) -> None:
    if fault.fault in OURS:
        raise ProviderFault(fault.fault, fault.detail, retry_after=fault.retry_after)
