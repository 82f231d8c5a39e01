"""The doctor's layers of the Microsoft side: a way of their own, whatever became of the way to Mimecast.

Called by `doctor.py`. The Directory Type comes first, since a wrong one explains whatever fails behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daemon.config.model import SiteSettings
from daemon.config.prerequisites import directory_lacks, is_hybrid
from daemon.engine.microsoft import CLOUD_PREFIX, MicrosoftSide, contradiction, not_looked_at
from daemon.ports import DIRECTORY_LAYERS, MAILBOX_LAYERS, Examination, Layer, Route, Sighting
from states import BindStep, Fault
from states.state import StepStatus

TYPE_LAYER: Final = "directory type"
NOTHING_SEEN: Final = "nothing that was seen tells where mailboxes and directory live"


class MicrosoftDoctor:
    """Examines the Microsoft side. Holds no state between two patients."""

    def __init__(self, side: MicrosoftSide) -> None:
        self._side = side

    async def examine(self, settings: SiteSettings, route: Route) -> tuple[BindStep, ...]:
        """Every layer in order: Directory Type, mailbox, directory."""
        mailbox = await self._side.mailbox(settings, route)
        directory = await self._directory(settings, route)
        sightings = (*mailbox.sightings, *directory.sightings)
        names = _mailbox_names(settings)
        return (
            _directory_type(settings, sightings),
            *_steps(mailbox.layers, names),
            *_steps(directory.layers, DIRECTORY_LAYERS),
        )

    async def _directory(self, settings: SiteSettings, route: Route) -> Examination:
        lacking = directory_lacks(settings)
        if lacking:
            return not_looked_at(DIRECTORY_LAYERS, lacking)
        return await self._side.directory_examined(settings, route)


def not_reached(settings: SiteSettings | None, *, because: str) -> tuple[BindStep, ...]:
    """Every layer, where not even the configuration let it begin; of one platform where there are no settings."""
    mailbox = MAILBOX_LAYERS if settings is None else _mailbox_names(settings)
    names = (TYPE_LAYER, *mailbox, *DIRECTORY_LAYERS)
    return tuple(_skipped(name, f"not reached because {because} failed") for name in names)


def _mailbox_names(settings: SiteSettings) -> tuple[str, ...]:
    if not is_hybrid(settings.account):
        return MAILBOX_LAYERS
    return MAILBOX_LAYERS + tuple(f"{CLOUD_PREFIX}{name}" for name in MAILBOX_LAYERS)


def _directory_type(settings: SiteSettings, sightings: Sequence[Sighting]) -> BindStep:
    against, named = contradiction(settings, sightings), settings.account.directory_type
    if against is not None:
        remedy = Fault.DIRECTORY_TYPE_CONTRADICTED.remedy
        status: StepStatus = "failed" if against.certain else "warning"
        return BindStep(step=TYPE_LAYER, status=status, seconds=0.0, detail=against.sentence, remedy=remedy)
    if not sightings:
        return _skipped(TYPE_LAYER, NOTHING_SEEN)
    seen = "; ".join(dict.fromkeys(sighting.seen for sighting in sightings))
    return BindStep(step=TYPE_LAYER, status="passed", seconds=0.0, detail=f"{named} fits what was seen: {seen}")


def _steps(layers: Sequence[Layer], names: Sequence[str]) -> tuple[BindStep, ...]:
    """The layers as lines, with what was not reached behind the one that failed in its platform."""
    walked = {layer.name: layer for layer in layers}
    lines, failed = [], ""
    for name in names:
        if name.startswith(CLOUD_PREFIX) != failed.startswith(CLOUD_PREFIX):
            failed = ""
        layer = walked.get(name)
        lines.append(_line(layer) if layer is not None else _skipped(name, f"not reached because {failed} failed"))
        if layer is not None and layer.fault is not None:
            failed = name
    return tuple(lines)


def _line(layer: Layer) -> BindStep:
    failed, seconds = layer.fault, round(layer.seconds, 4)
    if failed is None:
        return BindStep(step=layer.name, status=layer.status, seconds=seconds, detail=layer.detail, remedy=layer.remedy)
    remedy = failed.fault.remedy
    return BindStep(step=layer.name, status="failed", seconds=seconds, detail=layer.detail, remedy=remedy)


def _skipped(name: str, detail: str) -> BindStep:
    return BindStep(step=name, status="skipped", seconds=0.0, detail=detail)
