"""Puts into force what of [daemon] needs no restart. Called at each reload, for the composition root."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from daemon.config.model import DaemonSettings
from daemon.config.secrets import SecretUnreadable, resolve
from daemon.engine.log import configure_logging
from daemon.engine.scheduler import Scheduler
from daemon.engine.signin import Token

_log = logging.getLogger("sitebind")


async def apply_daemon(
    settings: DaemonSettings,
    *,
    scheduler: Scheduler,
    told: Iterable[Callable[[DaemonSettings], None]],
    token: Token,
) -> None:
    """`told` take from the settings what is theirs."""
    configure_logging(form=settings.log_format, level=settings.log_level)
    scheduler.set_pace(settings.pace)
    for tell in told:
        tell(settings)
    try:
        await token.take(settings, resolve)
    except SecretUnreadable as error:
        # Whoever holds the old token keeps their way in; nobody else gets one.
        _log.error("[daemon] api_token: %s; the earlier token stays in force", error)
