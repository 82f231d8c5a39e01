"""The small world that the simulated service knows: accounts, users, roles, regions, applications.

Pure data and functions: time and chance are handed in. Read and changed by the two APIs and by `control.py`.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final

from daemon.sandbox.keys import Allowance, Chance, KeyRing, Limits, TokenBook
from daemon.sandbox.tenant import Tenant, demo_tenant

# The credentials of the demo's world. They open nothing but this sandbox, so they are no secrets.
DEMO_COMPANY: Final = "Example Ltd"
DEMO_ACCOUNT_CODE: Final = "CUSA00A001"
DEMO_REGION: Final = "us"
DEMO_DOMAIN: Final = "example.test"
DEMO_EMAIL: Final = "sync.admin@example.test"
DEMO_PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - a sandbox's, see above
DEMO_MINIMAL_EMAIL: Final = "sync.minimal@example.test"
DEMO_HELP_DESK_EMAIL: Final = "help.desk@example.test"
DEMO_NO_ROLE_EMAIL: Final = "plain.user@example.test"
DEMO_APPLICATION_ID: Final = "7c1f3a52-9d0e-4b6a-8f25-1e5f0c9ab001"
DEMO_APPLICATION_KEY: Final = "0b8e6d14-52c7-4f39-a1d8-6f3d2e7cb002"
DEMO_CLIENT_ID: Final = "sandboxclient0000000000000000000000000000001"
DEMO_CLIENT_SECRET: Final = "sandbox-client-secret-of-the-demo"  # noqa: S105 - a sandbox's, see above
# A support secret which the real service sends unasked: nothing of ours may ever log, store or show it.
DEMO_PASSPHRASE: Final = "canary-passphrase-never-log-me"  # noqa: S105 - a canary for leak tests


class AuthenticationType(Enum):
    """How a user may sign in to API 1.0; the value is the scheme of the Authorization header."""

    CLOUD = "Basic-Cloud"
    DOMAIN = "Basic-AD"


class Permission(Enum):
    """What a role allows, of the little that is simulated."""

    READ_ACCOUNT = "Account | Dashboard | Read"
    READ_OWN_PROFILE = "Own profile | Read"
    READ_ROLES = "Directories | Roles | Read"
    READ_USERS = "Directories | Internal | Read"


BASIC_ADMINISTRATOR: Final = "Basic Administrator"
SYNC_ADMINISTRATOR: Final = "Synchronization Engine Administrator"
HELP_DESK: Final = "Help Desk"
NO_ROLE: Final = ""
# [gap] ours: which permission each role carries, beyond "Basic Administrator or higher may bind".
ROLES: Final[dict[str, frozenset[Permission]]] = {
    BASIC_ADMINISTRATOR: frozenset(Permission),
    SYNC_ADMINISTRATOR: frozenset({Permission.READ_OWN_PROFILE}),
    HELP_DESK: frozenset({Permission.READ_OWN_PROFILE}),
    NO_ROLE: frozenset(),
}

# Region of an account by the beginning of its code. Offshore's prefix is not public, so "je" is left out.
REGIONS: Final[dict[str, str]] = {
    "us": "CUSA",
    "usb": "CUSB",
    "ca": "CCA",
    "eu": "CUK",
    "de": "CDE",
    "au": "CAU",
    "za": "CSA",
}
# [gap] ours: which product of an API 2.0 application opens which resource.
PRODUCTS: Final = frozenset({"Account Management", "Roles Management", "User and Group Management"})


class ImplausibleWorld(ValueError):
    """The world contradicts itself or the facts, so a test built on it would prove nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer of the service."""

    code: str
    name: str
    region: str
    domains: tuple[str, ...]
    admin_email: str
    passphrase: str = field(default=DEMO_PASSPHRASE, repr=False)


@dataclass(slots=True, kw_only=True)
class User:
    """A person or service account that can sign in to API 1.0."""

    address: str
    password: str = field(repr=False)
    account_code: str
    role: str = NO_ROLE
    locked: bool = False
    two_step: bool = False
    password_expired: bool = False
    authentication_types: tuple[AuthenticationType, ...] = (AuthenticationType.CLOUD,)
    wrong_passwords: int = 0

    def password_is(self, offered: str) -> bool:
        """Compare in constant time, as a service would."""
        return hmac.compare_digest(self.password.encode(), offered.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application registered for API 1.0."""

    application_id: str
    application_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceApplication:
    """An application registered for API 2.0: a role and the products that it may use."""

    client_id: str
    client_secret: str = field(repr=False)
    account_code: str
    role: str = BASIC_ADMINISTRATOR
    products: frozenset[str] = PRODUCTS


@dataclass(slots=True, kw_only=True)
class World:
    """Everything the service knows. `lock_after`: wrong passwords in a row that lock a user (None: never)."""

    keys: KeyRing
    tokens: TokenBook
    unknown_caller: Allowance
    lock_after: int | None = None
    accounts: dict[str, Account] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    applications: dict[str, Application] = field(default_factory=dict)
    service_applications: dict[str, ServiceApplication] = field(default_factory=dict)
    tenant: Tenant = field(default_factory=Tenant)
    _domains: dict[str, Account] = field(default_factory=dict)

    def add_account(self, account: Account) -> None:
        """Add a customer; its code must begin as its region's codes do."""
        prefix = REGIONS.get(account.region)
        if prefix is None or not account.code.startswith(prefix):
            raise ImplausibleWorld(f"account {account.code} cannot be hosted in region {account.region!r}")
        self.accounts[account.code] = account
        self._domains.update(dict.fromkeys((domain.casefold() for domain in account.domains), account))

    def add_user(self, user: User) -> None:
        """Add a user; the account and the role must be known."""
        if user.account_code not in self.accounts or user.role not in ROLES:
            raise ImplausibleWorld(f"user {user.address}: unknown account or role")
        self.users[user.address.casefold()] = user

    def add_application(self, application: Application) -> None:
        """Register an application for API 1.0."""
        self.applications[application.application_id] = application

    def add_service_application(self, application: ServiceApplication) -> None:
        """Register an application for API 2.0; the account and the role must be known."""
        if application.account_code not in self.accounts or application.role not in ROLES:
            raise ImplausibleWorld(f"application {application.client_id}: unknown account or role")
        self.service_applications[application.client_id] = application

    def user(self, address: str) -> User | None:
        """Find a user by address, in any spelling of upper and lower case."""
        return self.users.get(address.casefold())

    def account_for(self, address: str) -> Account | None:
        """Find the account that owns the domain of an address."""
        return self._domains.get(address.rpartition("@")[2].casefold())

    def set_password(self, address: str, password: str) -> bool:
        """Change a password; answers False for an unknown user. Existing keys stay valid ([gap] ours)."""
        user = self.user(address)
        if user is None:
            return False
        user.password, user.password_expired, user.wrong_passwords = password, False, 0
        return True


def empty_world(
    *,
    key_lifetime: timedelta | None = timedelta(hours=12),
    keys_per_user: int = 20,
    limits: Limits | None = None,
    chance: Chance = secrets.token_bytes,
) -> World:
    """Make a world without anybody in it. Twelve hours is the lifetime in the public example of a login."""
    limits = limits or Limits()
    return World(
        keys=KeyRing(chance=chance, limits=limits, lifetime=key_lifetime, per_user=keys_per_user),
        tokens=TokenBook(chance=chance, limits=limits),
        unknown_caller=limits.for_unknown(),
    )


def small_world(
    *,
    key_lifetime: timedelta | None = timedelta(hours=12),
    keys_per_user: int = 20,
    limits: Limits | None = None,
    chance: Chance = secrets.token_bytes,
) -> World:
    """Make the demo's world: one account, four users of different rights, an application per API version.

    Sites that share the demo's user share its number of bindings: for 1,000 sites raise `keys_per_user`.
    """
    world = empty_world(key_lifetime=key_lifetime, keys_per_user=keys_per_user, limits=limits, chance=chance)
    world.tenant = demo_tenant()
    world.add_account(
        Account(
            code=DEMO_ACCOUNT_CODE,
            name=DEMO_COMPANY,
            region=DEMO_REGION,
            domains=(DEMO_DOMAIN,),
            admin_email="administrator@example.test",
        )
    )
    for user in _demo_users():
        world.add_user(user)
    world.add_application(Application(application_id=DEMO_APPLICATION_ID, application_key=DEMO_APPLICATION_KEY))
    world.add_service_application(
        ServiceApplication(client_id=DEMO_CLIENT_ID, client_secret=DEMO_CLIENT_SECRET, account_code=DEMO_ACCOUNT_CODE)
    )
    return world


def _demo_users() -> tuple[User, ...]:
    roles = {
        DEMO_MINIMAL_EMAIL: SYNC_ADMINISTRATOR,
        DEMO_HELP_DESK_EMAIL: HELP_DESK,
        DEMO_NO_ROLE_EMAIL: NO_ROLE,
    }
    others = (
        User(address=address, password=DEMO_PASSWORD, account_code=DEMO_ACCOUNT_CODE, role=role)
        for address, role in roles.items()
    )
    administrator = User(
        address=DEMO_EMAIL,
        password=DEMO_PASSWORD,
        account_code=DEMO_ACCOUNT_CODE,
        role=BASIC_ADMINISTRATOR,
        authentication_types=(AuthenticationType.CLOUD, AuthenticationType.DOMAIN),
    )
    return (administrator, *others)
