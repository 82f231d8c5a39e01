"""Why a look-up in Microsoft 365 gave nothing, or less than one may think, in sentences. Pure.

Called by `graph_directory.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from daemon.ports import DirectoryObject
from daemon.providers.app_roles import CONTACTS
from daemon.providers.graph_wanted import Wanted
from daemon.providers.quoting import quoted

_MOST_DOMAINS: Final = 5
_LATE: Final = "what was made or renamed in the last minutes may not be found yet: Graph's index follows a little late"
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


def of_found(objects: Iterable[DirectoryObject], *, unread: bool) -> tuple[str, ...]:
    """What to know of what was found. `unread`: contacts may not be read."""
    groups = [one for one in objects if one.kind == "group"]
    found = [_addressless(group) for group in groups if not group.mail_enabled]
    return (*found, *((f"{_UNREAD}; contacts in a group are left out",) if groups and unread else ()))


def of_missing(
    wanted: Wanted, near: Iterable[DirectoryObject], *, tenant: Mapping[str, Any] | None, unread: bool
) -> tuple[str, ...]:
    """Why nothing was found. `tenant` is Graph's record of it; None where it may not be read."""
    return tuple(_missing(wanted, near, tenant=tenant, unread=unread))


def domains_of(tenant: Mapping[str, Any]) -> tuple[str, ...]:
    """The domains that the tenant has proved to own."""
    listed = tenant.get("verifiedDomains")
    records = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return tuple(name.lower() for one in records if isinstance(name := one.get("name"), str))


def _missing(
    wanted: Wanted, near: Iterable[DirectoryObject], *, tenant: Mapping[str, Any] | None, unread: bool
) -> Iterator[str]:
    own = domains_of(tenant or {})
    if wanted.by == "address" and own and wanted.domain not in own:
        more = ", …" if len(own) > _MOST_DOMAINS else ""
        shown = ", ".join(quoted(domain, longest=80) for domain in own[:_MOST_DOMAINS])
        yield f"{quoted(wanted.domain)} is none of the tenant's own domains ({shown}{more}): at most a contact has it"
    name = wanted.local_part.casefold()
    for one in near:
        if one.kind == "group" and not one.mail_enabled and one.display_name.casefold() == name:
            yield _addressless(one)
    if unread:
        yield _UNREAD
    yield _LATE


def _addressless(group: DirectoryObject) -> str:
    return (
        f'the group "{quoted(group.display_name, longest=80)}" receives no mail: it has no address, '
        "so it is found by its name or id only"
    )
