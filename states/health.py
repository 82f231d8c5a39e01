"""Health as a list of declared problems, in the operator's words. An empty list means well.

The facts come from the snapshot, so the same problems are told by the API, the command line, the page and
the metrics. What only the running process knows (a journal that cannot be written) is added by the engine
with `Problem` values of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from states.state import HeldBinding, Snapshot, State

Severity = Literal["error", "warning", "info"]

SLOW_BIND = timedelta(minutes=2)
EXPIRY_WARNING = timedelta(days=14)
EXPIRY_URGENT = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as it should be: what, since when, and what to do about it."""

    code: str
    severity: Severity
    text: str
    remedy: str
    since: datetime


def problems(now: Snapshot, *, at: datetime) -> tuple[Problem, ...]:
    """Everything that is wrong with the site at the moment `at`, worst first."""
    found = (*_configuration(now), *_binding_attempts(now, at=at), *_held_binding(now, at=at))
    order: dict[str, int] = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(found, key=lambda problem: order[problem.severity]))


def is_ready(now: Snapshot, *, at: datetime) -> bool:
    """Configured, and holding keys that are neither expired nor refused."""
    if now.state is State.UNCONFIGURED or now.binding is None or now.refusals is not None:
        return False
    return now.binding.expires_at is None or now.binding.expires_at > at


def _configuration(now: Snapshot) -> Iterator[Problem]:
    if now.findings:
        yield Problem(
            code="configuration-rejected",
            severity="error",
            text=" | ".join(now.findings),
            remedy=_mend(now),
            since=now.findings_since or now.since,
        )
    elif now.state is State.UNCONFIGURED:
        yield Problem(
            code="not-configured",
            severity="error",
            text=f"There is no configuration for this site: {now.reason}.",
            remedy="Write the site's configuration file; it is picked up when it appears.",
            since=now.since,
        )
    for warning in now.warnings:
        yield Problem(
            code="configuration-warning",
            severity="warning",
            text=warning,
            remedy="Change the option that the text names; the change is picked up when the file is saved.",
            since=now.since,
        )


def _mend(now: Snapshot) -> str:
    running = "" if now.state is State.UNCONFIGURED else " The last good settings stay in force until then."
    return f"Mend the file; it is read again when it is saved.{running}"


def _binding_attempts(now: Snapshot, *, at: datetime) -> Iterator[Problem]:
    if now.trouble is not None and now.state in (State.FAILED, State.BINDING):
        kept = " The earlier binding is still held and in use." if now.binding is not None else ""
        yield Problem(
            code=now.trouble.fault.code,
            severity="warning" if now.binding is not None else "error",
            text=f"{now.trouble.detail}.{kept}".replace("..", "."),
            remedy=now.trouble.fault.remedy,
            since=now.trouble.since,
        )
    if now.open is not None and at - now.open.started_at > SLOW_BIND:
        yield Problem(
            code="slow-bind",
            severity="warning",
            text=f"Bind {now.open.bind_id} has been running since {now.open.started_at:%H:%M:%S} UTC.",
            remedy="Read the bind's steps to see which one waits.",
            since=now.open.started_at,
        )
    if now.state is State.CONFIGURED and now.unbind_trouble is None:  # else `unbind-failed` says why
        yield _waiting(now)


_NO_WORRY = frozenset({"bind-pending", "unbind-pending", "unbound-by-operator"})


def _waiting(now: Snapshot) -> Problem:
    """Why a configured site does not bind, or that it is about to."""
    code, text, remedy = _why_not_bound(now)
    severity: Severity = "info" if code in _NO_WORRY else "warning"
    return Problem(code=code, severity=severity, text=text, remedy=remedy, since=now.since)


def _why_not_bound(now: Snapshot) -> tuple[str, str, str]:
    ask = "Ask for a bind: sitebind rebind, or POST /rebind."
    if now.automatic_binding_applies:
        return "bind-pending", "A bind starts in this site's slot.", "No action."
    if now.unbinding:
        return "unbind-pending", "An unbind is under way.", "No action while the service is asked."
    if now.unbound_by_operator:
        return "unbound-by-operator", "The site was unbound by an operator and does not bind by itself.", ask
    if now.interrupted:
        return "bind-interrupted", "A restart interrupted a bind, and none starts by itself.", ask
    if now.terms is not None and now.terms.credentials is None:
        return "credentials-missing", "No sign-in is configured, so the site does not bind by itself.", ask
    if now.terms is not None and not now.terms.automatic:
        return "automatic-off", "[binding] automatic = no: the site does not bind by itself.", ask
    return (
        "refused-credentials-unchanged",
        "The configured sign-in was refused before and has not changed since.",
        f"Correct it in [binding]. If it was put right at the service: {ask}",
    )


def _held_binding(now: Snapshot, *, at: datetime) -> Iterator[Problem]:
    if now.binding is not None:
        yield from _trust(now, now.binding)
        yield from _expiry(now, now.binding, at=at)
    for warning in now.bind_warnings:
        yield Problem(
            code="bind-warning",
            severity="warning",
            text=warning,
            remedy="The site works; what the text names may limit it.",
            since=now.binding.bound_at if now.binding else now.since,
        )
    yield from _leftovers(now)


def _trust(now: Snapshot, binding: HeldBinding) -> Iterator[Problem]:
    if now.refusals is not None:
        yield Problem(
            code="verification-refused",
            severity="error",
            text=f"The service refused the held keys ({now.refusals.count} in a row): {now.refusals.detail}",
            remedy=now.refusals.fault.remedy,
            since=now.refusals.since,
        )
    if now.missed is not None:
        yield Problem(
            code="verification-missed",
            severity="warning",
            text=f"The held keys could not be verified: {now.missed.detail}",
            remedy=now.missed.fault.remedy,
            since=now.missed.since,
        )
    if now.terms is not None and not now.binding_matches and now.state is not State.BINDING:
        yield Problem(
            code="binding-outdated",
            severity="warning",
            text=f"The held binding {binding.bind_id} was made with settings that changed since.",
            remedy="It is replaced when a bind with the new settings succeeds.",
            since=now.since,
        )


_REFRESHED_SOON = "It is refreshed with the configured sign-in when the service is reached; else rebind."
_REFRESH_NEEDS_A_SIGN_IN = (
    "Configure the password by reference so that it can be refreshed, or give the user an "
    "authentication profile whose cache never expires, then rebind."
)


def _expiry(now: Snapshot, binding: HeldBinding, *, at: datetime) -> Iterator[Problem]:
    """An expiry worries as long as nothing refreshes the keys ahead of it: that needs the sign-in."""
    if binding.expires_at is None:
        return
    left = binding.expires_at - at
    expired = left <= timedelta(0)
    if not expired and (left > EXPIRY_WARNING or now.has_usable_credentials):
        return
    yield Problem(
        code="binding-expires",
        severity="error" if left <= EXPIRY_URGENT else "warning",
        text=f"The binding {'expired' if expired else 'expires'} at {binding.expires_at:%Y-%m-%d %H:%M} UTC"
        f"{'' if expired else f', in {_days(left)}, and nothing refreshes it'}.",
        remedy=_REFRESHED_SOON if now.has_usable_credentials else _REFRESH_NEEDS_A_SIGN_IN,
        since=binding.verified_at,
    )


def _days(left: timedelta) -> str:
    """`9 days`, or `8 hours` on the last one."""
    if left.days > 0:
        return f"{left.days} day{'s' if left.days > 1 else ''}"
    return f"{left.seconds // 3600} hours"


def _leftovers(now: Snapshot) -> Iterator[Problem]:
    if now.unbinding and now.state is not State.CONFIGURED:  # there it is why the site does not bind
        yield Problem(
            code="unbind-pending",
            severity="info",
            text="An unbind is under way.",
            remedy="No action while the service is asked.",
            since=now.since,
        )
    if now.unbind_trouble is not None:
        yield Problem(
            code="unbind-failed",
            severity="error",
            text=f"The unbind did not finish: {now.unbind_trouble.detail}",
            remedy=f"{now.unbind_trouble.fault.remedy} Then unbind again, or unbind locally only.",
            since=now.unbind_trouble.since,
        )
    if now.revoke_pending:
        yield Problem(
            code="revoke-pending",
            severity="warning",
            text=f"Keys that are no longer used wait to be revoked: {', '.join(now.revoke_pending)}.",
            remedy="No action while the service is being asked again; else end them in the Mimecast console.",
            since=now.revoke_since or now.since,
        )
