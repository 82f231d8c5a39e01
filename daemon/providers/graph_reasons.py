"""Why a look-up in Microsoft 365 gave nothing, or less than one may think, in sentences. Pure.

Called by `graph_directory.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from daemon.ports import DirectoryObject, ObjectKind
from daemon.providers.app_roles import CONTACTS
from daemon.providers.graph_wanted import Wanted
from daemon.providers.quoting import quoted

_MOST_DOMAINS: Final = 5
_LATE: Final = "; what was made or renamed minutes ago is found a little later"
_HAS_IT_AS: Final = {"address": "an address or a sign-in name", "name": "a name or an alias", "id": "an id"}
_UNREAD: Final = f"contacts were not looked at: the app registration lacks the application permission {CONTACTS}"


def not_asked(wanted: Wanted, domains: Sequence[str]) -> str:
    """Why it is not even looked up; empty if it is."""
    if not wanted.text:
        return "nothing was asked for"
    if wanted.by == "distinguished name":
        return "Microsoft 365 does not know distinguished names: look for the address, the name or the object's id"
    if wanted.by == "address" and domains and wanted.domain not in {domain.lower() for domain in domains}:
        return f"{quoted(wanted.domain)} is not among [directory] domains, so it is not looked up here"
    return ""


def of_found(objects: Sequence[DirectoryObject], *, unread: bool) -> tuple[str, ...]:
    """Why what was found may still not receive anything. `unread`: contacts may not be read."""
    if len(objects) > 1:
        return (f"{len(objects)} objects have this name: ask for one by its address or id",)
    [one] = objects
    if one.kind == "user":
        return ("its account is disabled",) if one.enabled is False else ()
    if one.kind == "contact":
        return ()
    addressless = () if one.mail_enabled else ("it has no address, so it is not a group that mail can be sent to",)
    return (*addressless, *((f"{_UNREAD}; those in the group are left out",) if unread else ()))


def of_group(members: Sequence[DirectoryObject], *, more: bool) -> tuple[str, ...]:
    """Why a group resolves to nothing, told from its first `members`; `more`: there are others."""
    if more or any(member.mail_enabled for member in members):
        return ()
    why = f"none of its {len(members)} members has an address" if members else "it has no members"
    return (f"it resolves to nothing: {why}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search that found nothing: which `kinds` were asked for, and what is spelled like it, `alike` or remotely so.

    `tenant` is Graph's record of it; None where it may not be read. `unread`: contacts may not be read.
    """

    wanted: Wanted
    kinds: Sequence[ObjectKind]
    candidates: Sequence[DirectoryObject]
    alike: Sequence[DirectoryObject]
    tenant: Mapping[str, Any] | None
    unread: bool


def of_missing(search: Search) -> tuple[str, ...]:
    """Why nothing was found."""
    explained = (*_foreign(search), *_addressless(search))
    nowhere = () if explained else (_nowhere(search),)
    return (*explained, *nowhere, *((_UNREAD,) if search.unread else ()))


def domains_of(tenant: Mapping[str, Any]) -> tuple[str, ...]:
    """The domains that the tenant has proved to own."""
    listed = tenant.get("verifiedDomains")
    records = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return tuple(name.lower() for one in records if isinstance(name := one.get("name"), str))


def _foreign(search: Search) -> Iterator[str]:
    own, wanted = domains_of(search.tenant or {}), search.wanted
    if wanted.by == "address" and own and wanted.domain not in own:
        more = ", …" if len(own) > _MOST_DOMAINS else ""
        shown = ", ".join(quoted(domain, longest=80) for domain in own[:_MOST_DOMAINS])
        yield f"{quoted(wanted.domain)} is none of the tenant's own domains ({shown}{more}): at most a contact has it"


def _addressless(search: Search) -> Iterator[str]:
    meant = _letters(search.wanted.local_part)
    for one in search.candidates:
        if one.kind == "group" and not one.mail_enabled and _letters(one.display_name) == meant:
            yield (
                f'the group "{quoted(one.display_name, longest=80)}" exists, but has no address: give it one '
                "(mail-enable it), or ask for it by its name"
            )


def _nowhere(search: Search) -> str:
    """That it is too new is worth a word only where nothing likelier is seen, and an id needs no index."""
    *others, last = search.kinds
    kinds = f"{', '.join(others)} or {last}" if others else last
    late = "" if search.alike or search.wanted.by == "id" else _LATE
    return f"no {kinds} of the tenant has it as {_HAS_IT_AS[search.wanted.by]}{late}"


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
