"""The answer of a reload, per key: put together from what became of each site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daemon.engine.operations import ChangeResult, ReloadAnswer, SettingChange
from states import Change, Impact

_RESULTS: dict[Impact, ChangeResult] = {
    Impact.APPLY: "applied",
    Impact.REBIND: "rebind",
    Impact.RESTART: "needs_restart",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAnswer:
    """What became of one site, or of [daemon], whose `site` is empty. `touched` when anything was recorded."""

    site: str = ""
    changes: tuple[SettingChange, ...] = ()
    findings: tuple[str, ...] = ()
    touched: bool = False


def told(site: str, changes: Iterable[Change]) -> tuple[SettingChange, ...]:
    """The changes as the API shows them."""
    return tuple(
        SettingChange(site=site, section=change.section, option=change.option, result=_RESULTS[change.impact])
        for change in changes
        if change.impact in _RESULTS
    )


def names_of(changes: Iterable[Change]) -> str:
    """`[binding] email, [connection] proxy_host`, for a reason."""
    return ", ".join(f"[{change.section}] {change.option}" for change in changes)


def summed(answers: Sequence[SiteAnswer]) -> ReloadAnswer:
    """One answer out of all: rejected when anything has errors, unchanged when nothing was recorded."""
    findings = tuple(finding for answer in answers for finding in answer.findings)
    changes = tuple(change for answer in answers for change in answer.changes)
    if findings:
        by_site = {answer.site: answer.findings for answer in answers if answer.findings}
        return ReloadAnswer(outcome="rejected", changes=changes, findings=findings, by_site=by_site)
    touched = any(answer.touched for answer in answers)
    return ReloadAnswer(outcome="applied" if touched else "unchanged", changes=changes)
