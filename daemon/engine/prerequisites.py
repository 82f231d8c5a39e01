"""The bind's steps `mailbox` and `directory`: what must be in order before anybody signs in at Mimecast.

Called by `binding.py`. They come first so that a failing one issues no keys.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.config.model import RequiredStep, SiteSettings
from daemon.config.prerequisites import LACKS, can_be_looked_at_anywhere
from daemon.engine.microsoft import Contradiction, MicrosoftSide, contradiction, fault_of
from daemon.engine.progress import Line, Progress
from daemon.ports import Examination, Layer, ProviderFault, Route, Sighting
from states import BindStep, Fault


class Prerequisites:
    """Takes the two steps. Holds no state between attempts."""

    def __init__(self, side: MicrosoftSide) -> None:
        self._side = side

    async def prove(self, settings: SiteSettings, route: Route, progress: Progress, *, afresh: bool) -> None:
        """Take both steps, `afresh` where a person asked for the bind.

        Raises `ProviderFault` for a required one that fails; others only warn.
        """
        sightings: list[Sighting] = []
        if _possible(settings, "mailbox", progress):
            async with progress.step("mailbox") as line:
                found = await self._side.mailbox(settings, route, afresh=afresh)
                sightings += found.sightings
                _judge(settings, "mailbox", found, line=line, sightings=sightings)
        if _possible(settings, "directory", progress):
            async with progress.step("directory") as line:
                found = await self._side.directory_examined(settings, route, afresh=afresh)
                sightings += found.sightings
                _judge(settings, "directory", found, line=line, sightings=sightings)


def _possible(settings: SiteSettings, step: RequiredStep, progress: Progress) -> bool:
    """Whether anything of the step is configured; otherwise it is skipped, and says what would make it possible."""
    lacking = LACKS[step](settings)
    if not lacking or (step == "mailbox" and can_be_looked_at_anywhere(settings.account)):
        return True
    detail = f"not looked at: {lacking} is not set"
    progress.add(BindStep(step=step, status="skipped", seconds=0.0, detail=detail, remedy=_set_it(settings, step)))
    return False


def _set_it(settings: SiteSettings, step: RequiredStep) -> str:
    """What to do about an option that is not set; nothing where the step is not required."""
    option = LACKS[step](settings)
    return f"Set {option}, or take the {step} out of [binding] require." if step in settings.binding.require else ""


def _judge(
    settings: SiteSettings, step: RequiredStep, found: Examination, *, line: Line, sightings: Sequence[Sighting]
) -> None:
    fault = fault_of(found.layers)
    line.detail = in_a_line(found.layers)
    remedies = [layer.remedy for layer in found.layers if layer.status == "warning" and layer.remedy]
    against = contradiction(settings, sightings)
    if fault is not None:
        fault = _explained(fault, against)
        if step in settings.binding.require:
            raise fault
        line.detail, remedies = fault.detail, [fault.fault.remedy, *remedies]
    elif against is not None:
        line.detail += f"; {against.sentence}"
        remedies.append(Fault.DIRECTORY_TYPE_CONTRADICTED.remedy)
    if LACKS[step](settings):
        remedies.append(_set_it(settings, step))
    if fault is not None or remedies or any(layer.status == "warning" for layer in found.layers):
        line.status, line.remedy = "warning", " ".join(filter(None, dict.fromkeys(remedies)))


def _explained(fault: ProviderFault, against: Contradiction | None) -> ProviderFault:
    """A wrong Directory Type explains whatever failed because of it; otherwise it only stands beside it."""
    if against is None:
        return fault
    explains = against.certain and not fault.fault.heals_by_itself
    cause = Fault.DIRECTORY_TYPE_CONTRADICTED if explains else fault.fault
    return ProviderFault(cause, f"{against.sentence}; {fault.detail}", retry_after=fault.retry_after)


def in_a_line(layers: Sequence[Layer]) -> str:
    """Every layer's evidence, one behind the other."""
    return "; ".join(f"{layer.name}: {layer.detail}" for layer in layers)
