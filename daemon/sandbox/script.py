"""The script of trouble: which named troubles exist, which are active, for how many calls and where.

Asked by the APIs once per decision; changed by `control.py` and by tests through `Sandbox.script`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Endpoint(Enum):
    """What a trouble can be aimed at. The two API versions share the names of what they share."""

    DISCOVER = "discover"
    LOGIN = "login"
    LOGOUT = "logout"
    ACCOUNT = "account"
    PROFILE = "profile"
    TOKEN = "token"  # noqa: S105 - a name, not a secret
    WHOAMI = "whoami"
    ROLES = "roles"
    USERS = "users"
    AUTODISCOVER = "autodiscover"
    EWS = "ews"
    IDENTITY = "identity"
    GRAPH = "graph"


_ALL: Final = frozenset(Endpoint)
_V1: Final = frozenset({Endpoint.DISCOVER, Endpoint.LOGIN, Endpoint.LOGOUT, Endpoint.ACCOUNT, Endpoint.PROFILE})
_EXCHANGE: Final = frozenset({Endpoint.AUTODISCOVER, Endpoint.EWS})
_MAILBOX: Final = frozenset({Endpoint.EWS, Endpoint.GRAPH})
_MICROSOFT: Final = _EXCHANGE | {Endpoint.IDENTITY, Endpoint.GRAPH}
_IDENTITY: Final = frozenset({Endpoint.IDENTITY})
_MIMECAST: Final = _ALL - _MICROSOFT
_AUTHORISED: Final = _MIMECAST - {Endpoint.DISCOVER, Endpoint.LOGIN, Endpoint.TOKEN}
_ROLE: Final = _AUTHORISED - {Endpoint.LOGOUT, Endpoint.WHOAMI}
_SIGN_IN: Final = frozenset({Endpoint.LOGIN, Endpoint.TOKEN})
_NEVER_AIMED: Final[frozenset[Endpoint]] = frozenset()


class Trouble(Enum):
    """A trouble: its name, a line of help, what it can touch, its default seconds (None: takes none)."""

    WRONG_PASSWORD = "wrong-password", "Every password or client secret is refused.", _SIGN_IN
    LOCKED_ACCOUNT = "locked-account", "The user's account is locked.", frozenset({Endpoint.LOGIN})
    TWO_STEP = "two-step", "The user's profile demands two-step authentication.", frozenset({Endpoint.LOGIN})
    MISSING_ROLE = "missing-role", "The caller has no role: account and profile are refused (403).", _ROLE
    MINIMAL_ROLE = (
        "minimal-role",
        "The caller has the guide's minimal role: account refused (403), profile readable.",
        _ROLE,
    )
    UNKNOWN_DOMAIN = (
        "unknown-domain",
        "Discovery knows no region for any domain.",
        frozenset({Endpoint.DISCOVER}),
    )
    EXPIRED_BINDING = (
        "expired-binding",
        "Keys made before now are expired (418; API 2.0: token_expired) until refreshed.",
        _AUTHORISED,
    )
    REVOKED_KEYS = (
        "revoked-keys",
        "Keys and tokens made before now are unknown to the service (401).",
        _AUTHORISED,
    )
    BAD_APPLICATION = (
        "bad-application",
        "The application is unknown: err_developer_key inside HTTP 200 (API 2.0: invalid_client).",
        _V1 | {Endpoint.TOKEN},
    )
    WRONG_REGION = (
        "wrong-region",
        "The regional host refuses: account of another region (403).",
        _V1 - {Endpoint.DISCOVER},
    )
    FORBIDDEN_AUTHENTICATION_TYPE = (
        "forbidden-authentication-type",
        "Password sign-in is not allowed to the user: discovery lists none, login refuses.",
        frozenset({Endpoint.DISCOVER, Endpoint.LOGIN}),
    )
    WRONG_MAILBOX_PASSWORD = (
        "wrong-mailbox-password",
        "Exchange refuses the mailbox account's password (401).",
        _EXCHANGE,
    )
    NO_IMPERSONATION = (
        "no-impersonation",
        "The account may not work in other mailboxes (EWS: ErrorImpersonateUserDenied; Graph: 403).",
        _MAILBOX,
    )
    NO_MAILBOX = (
        "no-mailbox",
        "The account has no mailbox (EWS: ErrorMissingEmailAddress; Graph: MailboxNotEnabledForRESTAPI).",
        _MAILBOX,
    )
    MOVED_MAILBOX = (
        "moved-mailbox",
        "The mailbox is being moved (EWS: ErrorMailboxMoveInProgress; Graph: 503).",
        _MAILBOX,
    )
    HALF_MIGRATED = (
        "half-migrated",
        "Autodiscover on premises sends the account to Microsoft 365, where it has no mailbox yet.",
        _EXCHANGE | {Endpoint.GRAPH},
    )
    REDIRECT_LOOP = (
        "redirect-loop",
        "Autodiscover redirects in a circle.",
        frozenset({Endpoint.AUTODISCOVER}),
    )
    NO_AUTODISCOVER = (
        "no-autodiscover",
        "Nothing is found where autodiscover should be (404).",
        frozenset({Endpoint.AUTODISCOVER}),
    )
    EWS_DISABLED = "ews-disabled", "EWS are switched off for the tenant (403).", frozenset({Endpoint.EWS})
    EXPIRED_CLIENT_SECRET = (
        "expired-client-secret",
        "The client secret is expired (AADSTS7000222).",
        _IDENTITY,
    )
    WRONG_CLIENT_SECRET = (
        "wrong-client-secret",
        "The client secret is refused (AADSTS7000215).",
        _IDENTITY,
    )
    WRONG_TENANT = "wrong-tenant", "The tenant is unknown (AADSTS90002).", _IDENTITY
    UNKNOWN_REGISTRATION = (
        "unknown-registration",
        "The app registration is not in the tenant (AADSTS700016).",
        _IDENTITY,
    )
    MISSING_CONSENT = "missing-consent", "Tokens are issued without any role: nobody consented.", _IDENTITY
    THROTTLED = "throttled", "429; X-RateLimit-Reset says SECONDS in milliseconds.", _ALL, 2.0
    SERVICE_ERROR = "service-error", "500 with an envelope and 503 with plain text, in turn.", _ALL
    EMPTY_BODY = "empty-body", "200 without a body.", _ALL
    MALFORMED_BODY = "malformed-body", "200 with a body that is not JSON.", _ALL
    WRONG_SHAPE = "wrong-shape", "200 with JSON of a shape nobody documented.", _ALL
    HUGE_BODY = "huge-body", "200 with a body of 48 MiB, streamed.", _ALL
    SLOW = "slow", "The answer comes SECONDS late.", _ALL, 5.0
    RESET = "reset", "The connection is reset (TCP RST) instead of an answer.", _ALL
    HALF_BODY = "half-body", "The connection closes in the middle of the answer.", _ALL
    CLOCK_SKEW = "clock-skew", "The service's clock is SECONDS ahead; signed dates are refused.", _ALL, 3600.0
    UNTRUSTED_BASE = (
        "untrusted-base",
        "Discovery names a regional host of somebody else: https://attacker.example.",
        frozenset({Endpoint.DISCOVER}),
    )
    EXPIRED_CERTIFICATE = (
        "expired-certificate",
        "New connections to the regional and API 2.0 hosts meet an expired certificate.",
        _NEVER_AIMED,
    )
    FORGED_CERTIFICATE = (
        "forged-certificate",
        "New connections to the regional and API 2.0 hosts meet a certificate of an unknown CA.",
        _NEVER_AIMED,
    )

    def __init__(
        self, label: str, explanation: str, endpoints: frozenset[Endpoint], seconds: float | None = None
    ) -> None:
        self.label = label
        self.explanation = explanation
        self.endpoints = endpoints
        self.seconds = seconds


BY_NAME: Final = {trouble.label: trouble for trouble in Trouble}
LONGEST: Final = 86_400.0


class BadTrouble(ValueError):
    """The trouble asked for does not exist or takes no such parameters; the text says what would be right."""


@dataclass(slots=True, kw_only=True)
class Active:
    """A trouble in force. `remaining` None: until healed. Keys of an earlier epoch are older than it."""

    trouble: Trouble
    endpoints: frozenset[Endpoint]
    remaining: int | None
    seconds: float
    epoch: int
    strikes: int = 0


class Script:
    """The troubles in force. `on_change` is called after every start, heal and end of a counted trouble."""

    def __init__(self) -> None:
        self.active: dict[Trouble, Active] = {}
        self.epoch = 0
        self.on_change: Callable[[], None] | None = None

    def start(
        self,
        name: str,
        *,
        times: int | None = None,
        seconds: float | None = None,
        endpoint: str | None = None,
    ) -> Active:
        """Put a trouble in force, anew if it already is. Raises `BadTrouble` with the right words."""
        trouble = named(name)
        endpoints = _aim(trouble, endpoint)
        _check_numbers(trouble, times=times, seconds=seconds)
        self.epoch += 1
        length = seconds if seconds is not None else trouble.seconds or 0.0
        active = Active(trouble=trouble, endpoints=endpoints, remaining=times, seconds=length, epoch=self.epoch)
        self.active[trouble] = active
        self._changed()
        return active

    def heal(self, name: str | None = None) -> tuple[str, ...]:
        """End one trouble or all; answers the names of those that were in force. Raises `BadTrouble`."""
        wanted = tuple(self.active) if name is None else (named(name),)
        healed = tuple(trouble.label for trouble in wanted if self.active.pop(trouble, None) is not None)
        self._changed()
        return healed

    def strikes(self, trouble: Trouble, endpoint: Endpoint) -> Active | None:
        """Say whether a trouble hits this call, and count it when it does."""
        active = self.active.get(trouble)
        if active is None or endpoint not in active.endpoints:
            return None
        active.strikes += 1
        if active.remaining is not None:
            active.remaining -= 1
            if active.remaining <= 0:
                del self.active[trouble]
                self._changed()
        return active

    def strikes_old(self, trouble: Trouble, endpoint: Endpoint, *, epoch: int) -> bool:
        """As `strikes`, only for what was signed in before the trouble began."""
        active = self.active.get(trouble)
        return active is not None and epoch < active.epoch and self.strikes(trouble, endpoint) is not None

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()


def named(name: str) -> Trouble:
    """Find a trouble by name, or raise `BadTrouble` with the nearest name."""
    trouble = BY_NAME.get(name)
    if trouble is None:
        near = difflib.get_close_matches(name, BY_NAME, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(BY_NAME)}."
        raise BadTrouble(f"unknown trouble {name[:60]!r}; {hint}")
    return trouble


def _aim(trouble: Trouble, endpoint: str | None) -> frozenset[Endpoint]:
    if endpoint is None:
        return trouble.endpoints
    aimed = {known.value: known for known in trouble.endpoints}.get(endpoint)
    if aimed is None:
        possible = ", ".join(sorted(known.value for known in trouble.endpoints)) or "no single endpoint"
        raise BadTrouble(f"{trouble.label} cannot touch {endpoint[:60]!r}; it can touch: {possible}.")
    return frozenset({aimed})


def _check_numbers(trouble: Trouble, *, times: int | None, seconds: float | None) -> None:
    if times is not None and (not trouble.endpoints or times < 1):
        raise BadTrouble(f"{trouble.label}: times must be a whole number from 1 on, and counts calls only.")
    if seconds is None:
        return
    if trouble.seconds is None:
        raise BadTrouble(f"{trouble.label} takes no seconds.")
    if not 0 < seconds <= LONGEST:
        raise BadTrouble(f"{trouble.label}: seconds must lie between 0 and {LONGEST:.0f}.")
