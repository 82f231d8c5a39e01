"""The doctor at work on known sites: what he is told of a site, and what is written down before he uses any key.

Called by the front door, and by `daemon.alone` for a real login without a daemon. One examination with a login at a
time and site, so that a wrong password is not tried twice by two callers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from daemon.config.model import SiteSettings
from daemon.engine.chart import Told, nobody
from daemon.engine.doctor import NO_KEYS, Doctor, Patient
from daemon.engine.driver import Driver
from daemon.engine.issuing import SignIn
from daemon.engine.operations import Caller
from daemon.engine.proving import Proving
from daemon.ports import (
    Authorization,
    Clock,
    Journal,
    JournalEntry,
    JournalUnavailable,
    Keys,
    ProviderFault,
)
from states import BindStep, Fault, Snapshot, State
from states.events import SignInRefused

_log = logging.getLogger("sitebind.doctor")

UNDER_WAY = "a bind is under way and signs in itself; its report says what comes of it"
UNCHANGED = "the service refused this sign-in before, and it has not changed since; it is not tried again"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """One examination: of which site, as it stood, and who asked."""

    now: Snapshot
    settings: SiteSettings | None
    caller: Caller


class Practice:
    """`settings_of` gives what is in force for a site, None where nothing is."""

    def __init__(
        self,
        *,
        doctor: Doctor,
        proving: Proving,
        driver: Driver,
        journal: Journal,
        clock: Clock,
        settings_of: Callable[[str], SiteSettings | None],
    ) -> None:
        self._doctor = doctor
        self._proving = proving
        self._driver = driver
        self._journal = journal
        self._clock = clock
        self._settings_of = settings_of
        self._turns: dict[str, asyncio.Lock] = {}

    async def examine(self, site: str, *, caller: Caller, sign_in: bool, told: Told = nobody) -> tuple[BindStep, ...]:
        """Every layer of a known site, each `told` as it ends.

        With `sign_in` a real login; raises `JournalUnavailable` then.
        """
        if not sign_in:
            return await self._doctor.examine(await self._outpatient(self._visit(site, caller)), told)
        async with self._turns.setdefault(site, asyncio.Lock()):
            return await self._doctor.examine(await self._inpatient(self._visit(site, caller)), told)

    def _visit(self, site: str, caller: Caller) -> _Visit:
        return _Visit(now=self._driver.snapshots[site], settings=self._settings_of(site), caller=caller)

    async def _outpatient(self, visit: _Visit) -> Patient:
        """Held keys are used only when that can be recorded; everything before them is examined anyway."""
        patient = self._patient(visit)
        try:
            await self._note(visit, "doctor_ran", {"sign_in": False})
        except JournalUnavailable as error:
            why = f"not used, because that could not be recorded: {error}"
            return replace(patient, keys=None, no_keys=why, no_login=why)
        return patient

    async def _inpatient(self, visit: _Visit) -> Patient:
        """With a login: its intent is in the audit trail before anything is tried."""
        patient = self._patient(visit)
        refusal: ProviderFault | str | None = UNDER_WAY if visit.now.open is not None else None
        fingerprint = ""
        if refusal is None and visit.settings is not None:
            try:
                fingerprint = await self._proving.fingerprint(visit.settings)
            except ProviderFault as fault:
                refusal = fault
        if fingerprint and fingerprint == visit.now.refused_credentials:
            refusal = _known_refusal(visit.now)
        await self._note(visit, "doctor_ran", {"sign_in": refusal is None})
        if refusal is not None:
            return replace(patient, keys=None, no_keys="a login was asked for instead", no_login=refusal)

        async def log_in(order: SignIn) -> tuple[Authorization | ProviderFault, str]:
            return await self._log_in(visit, order, fingerprint=fingerprint)

        return replace(patient, login=log_in)

    def _patient(self, visit: _Visit) -> Patient:
        now, held = visit.now, visit.now.binding
        findings = now.findings or ((now.reason,) if visit.settings is None else ())
        if held is None:
            no_keys = f"no keys are held: {now.reason}"
            return Patient(
                settings=visit.settings, findings=findings, no_keys=no_keys, no_login=_remembered(now) or NO_KEYS
            )

        async def keys() -> Keys:
            return await self._proving.held(held.bind_id)

        return Patient(settings=visit.settings, findings=findings, keys=keys)

    async def _log_in(
        self, visit: _Visit, order: SignIn, *, fingerprint: str
    ) -> tuple[Authorization | ProviderFault, str]:
        """Log in and out, and record what came of it; a refused sign-in is not tried again by anybody."""
        try:
            found, became = await self._proving.login(order, site=visit.now.site)
        except ProviderFault as fault:
            await self._lost(visit, fault, fingerprint=fingerprint)
            raise
        role = "" if isinstance(found, ProviderFault) else found.role
        await self._told(visit, {"sign_in": "succeeded", "role": role, "keys": became})
        return found, became

    async def _lost(self, visit: _Visit, fault: ProviderFault, *, fingerprint: str) -> None:
        if not fault.fault.refuses_credentials:
            await self._told(visit, {"sign_in": "failed", "fault": fault.fault.code})
            return
        event = SignInRefused(
            actor=visit.caller.actor,
            request_id=visit.caller.request_id,
            fault=fault.fault,
            detail=fault.detail,
            credentials=fingerprint,
        )
        try:
            # Waited for, so that whoever is next in turn finds it.
            await self._driver.ask(visit.now.site, event)
        except JournalUnavailable:
            self._driver.post(visit.now.site, event)  # kept until it can be recorded

    async def _told(self, visit: _Visit, detail: dict[str, object]) -> None:
        """The end of a login. Its intent is recorded already, so a journal that fails now takes nothing away."""
        try:
            await self._note(visit, "doctor_finished", detail)
        except JournalUnavailable as error:
            _log.error("the end of the doctor's login could not be recorded: %s", error)

    async def _note(self, visit: _Visit, event: str, detail: dict[str, object]) -> None:
        state = visit.now.state.value
        await self._journal.append(
            JournalEntry(
                at=self._clock.now(),
                site=visit.now.site,
                actor=visit.caller.actor,
                event=event,
                before=state,
                after=state,
                request_id=visit.caller.request_id,
                detail=detail,
            )
        )


def _known_refusal(now: Snapshot) -> ProviderFault:
    """The refusal that the record tells of, in its own words where they are kept."""
    trouble = now.trouble
    if trouble is not None and trouble.fault.refuses_credentials:
        return ProviderFault(trouble.fault, f"{UNCHANGED} (since {trouble.since:%Y-%m-%d %H:%M} UTC: {trouble.detail})")
    return ProviderFault(Fault.CREDENTIALS_REFUSED, UNCHANGED)


def _remembered(now: Snapshot) -> ProviderFault | None:
    """Why the last attempt failed, where only another sign-in could tell more."""
    terms, trouble = now.terms, now.trouble
    if terms is not None and terms.credentials is not None and not now.has_usable_credentials:
        return _known_refusal(now)
    if now.state is State.FAILED and trouble is not None and trouble.fault is Fault.PERMISSION_MISSING:
        return ProviderFault(trouble.fault, f"found by the last bind at {trouble.since:%H:%M} UTC: {trouble.detail}")
    return None
