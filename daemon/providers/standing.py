"""Who signed in, for which account, and whether that is enough for a site: the `authorize` step's judgement.

Called by both adapters with what the service let them read; pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from daemon.ports import Authorization, ProviderFault
from daemon.providers.quoting import quoted
from states import Fault

NEEDED: Final = "Synchronization Engine Administrator"
_MINIMAL: Final = {"synchronization engine administrator", "synchronisation engine administrator"}
_ENOUGH: Final = {"basic administrator", "full administrator", "super administrator", "partner administrator"}
_TOO_LITTLE: Final = {
    "help desk",
    "help desk administrator",
    "gateway administrator",
    "discovery officer",
    "discovery administrator",
}
# The beginning of an account's code tells its region; the longest that fits counts.
_REGIONS: Final = {
    "CUSA": "us",
    "CUSB": "usb",
    "CCA": "ca",
    "CUK": "eu",
    "CDE": "de",
    "CAU": "au",
    "CSA": "za",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What could be read: `data[0]` of profile and account, and why the account could not. `who` signs in."""

    who: str
    email: str
    region: str
    profile: Mapping[str, Any] | None
    account: Mapping[str, Any] | None
    refusal: ProviderFault | None = None


def judged(found: Findings) -> Authorization:
    """Give account, company, region and role, with warnings. PERMISSION_MISSING names the role that is needed."""
    profile, account = found.profile or {}, found.account or {}
    role = quoted(profile.get("role"))
    _demand_rights(found, role)
    code = quoted(account.get("accountCode")) or quoted(profile.get("accountCode"))
    company = quoted(account.get("accountName")) or quoted(profile.get("companyName"))
    region = quoted(account.get("region")) or found.region or region_of(code)
    return Authorization(
        account_code=code, company=company, region=region, role=role, warnings=tuple(_warnings(found, role))
    )


def region_of(account_code: str) -> str:
    """The region that an account's code begins with; empty if it begins with none that is known."""
    return next((region for prefix, region in _REGIONS.items() if account_code.startswith(prefix)), "")


def _demand_rights(found: Findings, role: str) -> None:
    plain = _plain(role)
    if plain in _MINIMAL:
        return
    if plain in _TOO_LITTLE or (found.account is None and plain not in _ENOUGH):
        raise _missing(found, role)
    if found.account is None and found.refusal is not None:
        raise found.refusal


def _missing(found: Findings, role: str) -> ProviderFault:
    has = f'has the role "{role}"' if role else "has no administrator role that could be read"
    detail = f'{found.who} {has}; needed is "{NEEDED}", or Basic Administrator or higher'
    if found.refusal is not None:
        detail = f"{detail}; {found.refusal.detail}"
    return ProviderFault(Fault.PERMISSION_MISSING, detail)


def _warnings(found: Findings, role: str) -> list[str]:
    warnings: list[str] = []
    if found.account is None:
        warnings.append(
            f'The role "{role}" may not read the account, so the company comes from the profile '
            "and the account's own settings were not looked at."
        )
    if found.profile is None:
        warnings.append(f"The role of {found.who} could not be read; that it may read the account was proven.")
    elif found.account is not None and _plain(role) not in _MINIMAL | _ENOUGH:
        warnings.append(
            f'{found.who} has the role "{role}", which sitebind does not know; it may read the account, '
            f'but if the site is refused something later, give it "{NEEDED}".'
        )
    created = quoted((found.account or {}).get("adminEmail")).casefold()
    if created and created == found.email.casefold():
        warnings.append(
            f"{found.email} is the address that Mimecast created for the administration account; "
            "the guide wants another one here ([binding] email)."
        )
    return warnings


def _plain(role: str) -> str:
    return " ".join(role.casefold().split())
