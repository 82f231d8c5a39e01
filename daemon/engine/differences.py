"""What a reading of the configuration means beside what is in force: pure pieces of `configuration.py`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from daemon.config.impact import change_of
from daemon.config.model import DaemonSettings, Reading, SiteFile
from daemon.engine.fingerprints import Marks
from daemon.engine.operations import Caller
from daemon.engine.reload_answer import SiteAnswer
from daemon.ports import JournalEntry
from states import Change, Impact, Snapshot, Terms


def with_rotated(changes: tuple[Change, ...], before: Marks, now: Marks) -> tuple[Change, ...]:
    """The changes, and those of secrets and files whose content is another behind the same reference."""
    named = {(change.section, change.option) for change in changes}
    rotated = [key for key, mark in now.items() if key in before and before[key] != mark and key not in named]
    return (*changes, *(change_of(section, option) for section, option in rotated))


def with_what_runs(new: DaemonSettings, running: DaemonSettings) -> DaemonSettings:
    """The new settings, with the running ones where a change needs a restart."""
    return replace(new, host=running.host, port=running.port, database=running.database, vault_key=running.vault_key)


def daemon_entry(
    changes: tuple[Change, ...], findings: tuple[str, ...], caller: Caller, *, at: datetime
) -> JournalEntry:
    """The record of what became of [daemon]."""
    told = [{"section": c.section, "option": c.option, "result": c.impact.value} for c in changes]
    return JournalEntry(
        at=at,
        site="",
        actor=caller.actor,
        event="config_rejected" if findings else "config_accepted",
        before="",
        after="",
        request_id=caller.request_id,
        detail={"findings": list(findings)} if findings else {"changes": told},
    )


def merged(sites: Sequence[SiteFile]) -> list[SiteFile]:
    """Files that claim one id are one site with the findings of all: it gets one event, not a quarrel of several."""
    by_id: dict[str, SiteFile] = {}
    for file in sites:
        other = by_id.get(file.id)
        by_id[file.id] = file if other is None else replace(other, problems=(*other.problems, *file.problems))
    return list(by_id.values())


def placed(reading: Reading, path: Path, known: Mapping[str, Snapshot]) -> list[SiteFile]:
    """The files with the ids that their findings belong to; `path` is where the configuration is.

    A single file that cannot be read does not say its site's id: it speaks of the site that it held.
    """
    if len(reading.sites) != 1 or reading.sites[0].settings is not None:
        return merged(reading.sites)
    file = reading.sites[0]
    if file.source != path or not known:
        return [file]
    # Those in force; else those that hold a binding: they wait for their file.
    held = [now.site for now in known.values() if now.terms is not None]
    held = held or [now.site for now in known.values() if now.binding is not None] or list(known)
    return [file] if file.id in held else [replace(file, id=site) for site in held]


async def all_of(work: Sequence[Coroutine[Any, Any, SiteAnswer]]) -> list[SiteAnswer]:
    """Wait for every one, also when one fails: whoever tries again must not meet those that are still under way."""
    ended = await asyncio.gather(*work, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return [one for one in ended if isinstance(one, SiteAnswer)]


def is_gone(path: Path) -> bool:
    """Nothing is there. A path that cannot be looked at is a finding, and no farewell."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def slot_order(site: str) -> bytes:
    """A stable order that has nothing to do with the alphabet, so that pacing spreads related sites."""
    return hashlib.sha256(site.encode()).digest()


def first_impact(now: Snapshot, terms: Terms) -> tuple[Impact, str]:
    """What the settings of a site mean that had none in force, or had them before a start; and the reason."""
    if now.terms is not None:
        if now.terms.fingerprint == terms.fingerprint:
            return Impact.APPLY, "started; the configuration is unchanged"
        return Impact.REBIND, "changed while stopped"
    if now.binding is not None and now.binding.fingerprint == terms.fingerprint:
        return Impact.APPLY, "the configuration is back, as the binding was made with"
    return (
        Impact.REBIND,
        "first configuration" if now.attempt == 0 else "the configuration is back, and changed",
    )
