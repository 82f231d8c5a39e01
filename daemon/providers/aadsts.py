"""What the identity platform's refusals mean: its documented `error`, refined by the number in its text. Pure.

Called by `identity.py`. Microsoft warns that numbers change, so `error` decides whether a refusal heals; a number
that is known only chooses among the remedies and adds words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from states import Fault


@dataclass(frozen=True, slots=True)
class Row:
    """A number of the AADSTS table: the fault with its remedy, and what to add to it."""

    number: int
    fault: Fault
    advice: str = ""


_NO_SECRET: Final = "no secret arrived there: is [account] client_secret empty?"  # noqa: S105 - words, not a secret
_SCOPE: Final = "the scope is made of Graph's address: is [account] graph_url or host_address right?"

TABLE: Final = (
    Row(7000215, Fault.CLIENT_SECRET_REFUSED, "often the Secret ID was copied instead of the secret's Value"),
    Row(7000222, Fault.CLIENT_SECRET_EXPIRED),
    Row(700016, Fault.REGISTRATION_UNKNOWN),
    Row(90002, Fault.TENANT_UNKNOWN),
    Row(900023, Fault.TENANT_UNKNOWN, "a tenant is named by its GUID or by one of its domains"),
    Row(7000216, Fault.CLIENT_SECRET_REFUSED, _NO_SECRET),
    Row(7000218, Fault.CLIENT_SECRET_REFUSED, _NO_SECRET),
    Row(70011, Fault.REQUEST_REFUSED, _SCOPE),
    Row(1002012, Fault.REQUEST_REFUSED, _SCOPE),
    Row(500011, Fault.WRONG_NATIONAL_CLOUD, "this tenant does not know the service that the token is for"),
    Row(7000112, Fault.REGISTRATION_BLOCKED, "the application is disabled in the tenant"),
    Row(53003, Fault.REGISTRATION_BLOCKED, "a Conditional Access policy stands in the way"),
)
_BY_NUMBER: Final = {row.number: row for row in TABLE}

HEALING: Final = frozenset({"temporarily_unavailable", "server_error"})
_BY_ERROR: Final = {
    "invalid_client": Fault.CLIENT_SECRET_REFUSED,
    "unauthorized_client": Fault.REGISTRATION_UNKNOWN,
    "invalid_resource": Fault.WRONG_NATIONAL_CLOUD,
    "access_denied": Fault.REGISTRATION_BLOCKED,
    "invalid_grant": Fault.REGISTRATION_BLOCKED,
    "interaction_required": Fault.REGISTRATION_BLOCKED,
}


def meaning(error: str, numbers: Iterable[int]) -> tuple[Fault, str]:
    """The fault of a refusal with this `error`, and advice beyond its remedy; `numbers` as they were listed."""
    if error in HEALING:
        return Fault.SERVICE_ERROR, ""
    known = next((_BY_NUMBER[number] for number in numbers if number in _BY_NUMBER), None)
    if known is not None:
        return known.fault, known.advice
    return _BY_ERROR.get(error, Fault.REQUEST_REFUSED), ""
