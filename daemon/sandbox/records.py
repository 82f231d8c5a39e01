"""Accounts, profiles and users as they travel; field names as documented or recorded. Used by both APIs."""

from __future__ import annotations

from typing import Final

from daemon.sandbox.world import ROLES, Account, ServiceApplication, User, World

_PACKAGES: Final = (
    "Advanced Account Administration (1045)",
    "Archive (Mailbox) [1010]",
    "Gateway (Mail) [1000]",
    "Synchronization Engine [1018]",
)


def account_record(world: World, account: Account, *, turn: int) -> dict[str, object]:
    """Show an account. Recorded ones lack `mailPlatform`, and the order of packages changes per call."""
    start = turn % len(_PACKAGES)
    return {
        "accountCode": account.code,
        "accountName": account.name,
        "region": account.region,
        "domain": account.domains[0],
        "adminEmail": account.admin_email,
        "mimecastId": f"{account.region.upper()}-{account.code}",
        "databaseCode": f"{account.region}db1",
        "supportCode": "S0001",
        # A support secret that comes unasked; see DEMO_PASSPHRASE.
        "passphrase": account.passphrase,
        "type": "full",
        "packages": [*_PACKAGES[start:], *_PACKAGES[:start]],
        "userCount": sum(1 for user in world.users.values() if user.account_code == account.code),
        "maxRetention": 365,
        "maxRetentionConfirmed": True,
        "minRetentionEnabled": False,
        "automatedSegmentPurge": True,
        "archive": True,
        "gateway": True,
        "policyInheritance": False,
        "searchReason": False,
        "contentAdministratorDefaultView": "METADATA",
        "adminSessionTimeout": 60,
        "exportApi": False,
        "exgestAllowQuery": False,
        "exgestAllowExtraction": False,
        "expressAccount": False,
        "cybergraphV2Enabled": False,
        "contactEmail": account.admin_email,
        "contactName": "Example Administrator",
        "telephone": "",
    }


def profile_record(user: User, *, account: Account, role: str) -> dict[str, object]:
    """Show a user's profile; `role` is passed since trouble may change it."""
    return {
        "id": f"{account.code}-{user.address}",
        "name": user.address.partition("@")[0].replace(".", " ").title(),
        "emailAddress": user.address,
        "role": role,
        "admin": bool(role),
        "accountCode": account.code,
        "companyName": account.name,
        "localPassword": True,
        "changePassword": False,
        "external": False,
        "editable": False,
        "serverTimeZone": "America/New_York",
        "links": [],
        "attributes": [],
    }


def application_profile_record(application: ServiceApplication, *, account: Account, role: str) -> dict[str, object]:
    """Show the profile of an API 2.0 application that asks for its own ([gap] ours: that it may)."""
    stand_in = User(address=account.admin_email, password="", account_code=account.code)
    shown = profile_record(stand_in, account=account, role=role)
    return {**shown, "name": f"Application {application.client_id[:8]}"}


def user_record(user: User) -> dict[str, object]:
    """Show a user as API 2.0 lists them."""
    return {
        "id": f"{user.account_code}-{user.address}",
        "emailAddress": user.address,
        "name": user.address.partition("@")[0].replace(".", " ").title(),
        "domain": user.address.rpartition("@")[2],
        "type": "user",
        "internal": True,
        "disabled": False,
        "createdDateTime": "2024-01-01T00:00:00Z",
        "updatedDateTime": "2024-01-01T00:00:00Z",
        "addressType": "created_by_ldap_sync",
        "isAlias": False,
        "source": "ldap",
    }


def role_records() -> list[dict[str, object]]:
    """Show every role as API 2.0 lists them."""
    return [{"id": f"role-{number}", "roleName": name} for number, name in enumerate(filter(None, ROLES), start=1)]
