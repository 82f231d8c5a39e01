"""What was perhaps meant by a name that is not in the directory. Called by `ldap_find.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

from daemon.ports import DirectoryObject
from daemon.providers.ldap_connection import Ask, Filter
from daemon.providers.ldap_objects import ATTRIBUTES, OF_KIND, all_of, any_of, begins, between, equal, object_of
from daemon.providers.ldap_session import LdapSession
from daemon.providers.ldap_wire import Slices

MOST: Final = 5
_LOOKED_AT: Final = 50
_LIKE: Final = 0.6
_WORDS: Final = re.compile(r"[^\W_]{3,}")


async def near_misses(session: LdapSession, wanted: str, *, base: str, source: str) -> tuple[DirectoryObject, ...]:
    """Objects that are spelled alike, the likest first, five at the most. Raises `ProviderFault`.

    The narrow questions come first, and the wide ones only while there is nothing.
    """
    for question in _questions(wanted):
        ask = Ask(base=base, wanted=all_of(question, OF_KIND[None]), attributes=ATTRIBUTES, most=_LOOKED_AT)
        entries, found, slices = await session.search(ask), dict[str, tuple[float, DirectoryObject]](), Slices()
        for entry in entries:
            await slices.rest()
            item = object_of(entry, source=source)
            if item is not None and (likeness := _likeness(wanted, item)) >= _LIKE:
                found[item.id] = likeness, item
        if found:
            ranked = sorted(found.values(), key=lambda pair: (-pair[0], pair[1].display_name))
            return tuple(item for _, item in ranked[:MOST])
    return ()


def _questions(wanted: str) -> Iterator[Filter]:
    local, at, domain = wanted.partition("@")
    if at and local:
        yield any_of(*_addresses_from(f"{local}@"))
    if at and len(local) >= 4:
        # A slip in the middle: both ends are right.
        ends = local[:2], f"{local[-2:]}@{domain}"
        yield any_of(between("mail", *ends), between("proxyAddresses", f"smtp:{ends[0]}", ends[1]))
    for length in dict.fromkeys((len(local) - 2, len(local) // 2)):
        if length >= 3:
            start = local[:length]
            yield any_of(*_addresses_from(start), *(begins(name, start) for name in _NAMES))
    words = _WORDS.findall(local)[:3]
    if words:
        # "anr" is Active Directory's own guess: it looks at the beginnings of all kinds of names.
        yield any_of(*(equal("anr", word) for word in words))


_NAMES: Final = ("cn", "displayName", "sAMAccountName")


def _addresses_from(start: str) -> list[Filter]:
    return [begins("mail", start), begins("proxyAddresses", f"smtp:{start}"), begins("userPrincipalName", start)]


def _likeness(wanted: str, item: DirectoryObject) -> float:
    """How alike the spellings are, 1.0 for the same; addresses also count by what stands before the @."""
    text = wanted.casefold()
    local = text.partition("@")[0]
    against = [(text, address) for address in item.addresses]
    against += [(local, address.partition("@")[0]) for address in item.addresses]
    against += [(_spaced(local), _spaced(item.display_name.casefold()))]
    return max((SequenceMatcher(None, one, other).ratio() for one, other in against), default=0.0)


def _spaced(text: str) -> str:
    return " ".join(re.split(r"[\W_]+", text)).strip()
