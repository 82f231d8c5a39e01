"""The application permissions that a token carries, read to advise and never to decide who somebody is.

Called by the Graph adapters, so that a missing consent is named before Graph refuses. A token's signature is not
looked at: whoever could forge it could forge Graph's answers too. Tokens that are no JSON Web Tokens tell nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from daemon.ports import ProviderFault, Secret
from states import Fault

_LONGEST: Final = 65_536
_DIRECTORY: Final = frozenset({"Directory.Read.All", "Directory.ReadWrite.All"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What is to be done, and any one of the permissions that allow it; the first `named` ones are advised."""

    what: str
    named: tuple[str, ...]
    enough: frozenset[str]

    def __str__(self) -> str:
        return f"{' or '.join(self.named)} (to {self.what})"

    def met_by(self, granted: frozenset[str] | None) -> bool:
        """Whether the permissions suffice, as far as they are known."""
        return granted is None or bool(self.enough & granted)


USERS: Final = Need(
    what="read users",
    named=("User.Read.All", "Directory.Read.All"),
    enough=_DIRECTORY | {"User.Read.All", "User.ReadWrite.All"},
)
GROUPS: Final = Need(
    what="read groups and their members",
    named=("GroupMember.Read.All", "Group.Read.All"),
    enough=_DIRECTORY | {"GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"},
)
CONTACTS: Final = Need(
    what="read the organization's contacts",
    named=("OrgContact.Read.All",),
    enough=_DIRECTORY | {"OrgContact.Read.All"},
)
MAIL: Final = Need(
    what="open mailboxes",
    named=("Mail.ReadBasic.All", "Mail.Read"),
    enough=frozenset({"Mail.ReadBasic.All", "Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"}),
)


def granted(token: Secret) -> frozenset[str] | None:
    """The `roles` in the payload of a token; empty if it lists none, None if it cannot be read."""
    parts = token.reveal().split(".")
    if len(parts) != 3 or len(parts[1]) > _LONGEST:
        return None
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    roles = claims.get("roles", [])
    return frozenset(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else None


def consent_missing(needs: Iterable[Need], *, client_id: str) -> ProviderFault:
    """The fault for permissions that a token lacks."""
    lacking = "; ".join(map(str, needs))
    return ProviderFault(
        Fault.CONSENT_MISSING,
        f"the token of the app registration {client_id} lacks the application permission {lacking}",
    )
