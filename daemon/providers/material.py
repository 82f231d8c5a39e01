"""What a sign-in and stored keys are made of: taken out with a fault for what is missing. Called by the adapters."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from typing import Any

from daemon.ports import Keys, ProviderFault, Secret
from states import Fault


def given(value: str, option: str) -> str:
    """Give an option's value. CREDENTIALS_MISSING if it is empty."""
    if not value:
        raise ProviderFault(Fault.CREDENTIALS_MISSING, f"[binding] {option} is not set")
    return value


def revealed(secret: Secret | None, option: str) -> str:
    """Give an option's secret for the wire. CREDENTIALS_MISSING if there is none."""
    return given("" if secret is None else secret.reveal(), option)


def held(keys: Keys, name: str) -> Secret:
    """Give one of the stored values. KEYS_REFUSED if it is not there: such keys are of no use."""
    found = keys.values.get(name)
    if found is None:
        raise ProviderFault(Fault.KEYS_REFUSED, f"the stored keys lack their {name.replace('_', ' ')}")
    return found


async def read_unless(
    tolerated: Collection[Fault], reading: Awaitable[dict[str, Any]]
) -> tuple[dict[str, Any] | None, ProviderFault | None]:
    """Read, or give the refusal if it is one of the tolerated ones."""
    try:
        return await reading, None
    except ProviderFault as fault:
        if fault.fault not in tolerated:
            raise
        return None, fault
