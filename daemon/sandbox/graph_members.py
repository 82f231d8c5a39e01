"""Who is in a group, directly or through groups inside it. Used by `graph_directory.py`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from daemon.sandbox.tenant import Contact, Group, Person, Tenant

Member = Person | Contact | Group


def direct(tenant: Tenant, group: Group) -> Iterator[Member]:
    """Give the members of a group in order; names that nobody bears are left out."""
    for name in group.members:
        key = name.casefold()
        found = tenant.people.get(key) or tenant.contacts.get(key) or tenant.groups.get(key)
        if found is not None:
            yield found


def transitive(tenant: Tenant, group: Group) -> Iterator[Member]:
    """Give everything inside a group, each once, nearer ones first; circles are harmless.

    [gap] ours: a group in a circle is no member of itself.
    """
    seen, waiting = {group.id}, deque([group])
    while waiting:
        for member in direct(tenant, waiting.popleft()):
            if member.id in seen:
                continue
            seen.add(member.id)
            yield member
            if isinstance(member, Group):
                waiting.append(member)
