"""What the doctor writes down: a line for each layer, in order, also for those that were not reached.

A fault can show at one layer and belong to another: a locked account shows at the sign-in. It is written where it
belongs, so that the first failed line always names what is to be mended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, NoReturn

from daemon.engine.progress import Line
from daemon.ports import DIRECT_WAY, PROXY_WAY, Clock, Layer, ProviderFault
from states import BindStep, Fault

BEHIND_THE_WAY: Final = ("http", "clock", "discover", "region", "keys held", "sign-in", "account", "role")

_HOME: Final = {
    Fault.PROXY_AUTHENTICATION: "proxy authentication",
    Fault.CLOCK_SKEWED: "clock",
    Fault.WRONG_REGION: "discover",
    Fault.ACCOUNT_LOCKED: "account",
    Fault.TWO_STEP_REQUIRED: "account",
    Fault.PASSWORD_EXPIRED: "account",
    Fault.PERMISSION_MISSING: "role",
}
"""The layer of a fault that may show at another one."""

_REMEDIES: Final = {
    ("proxy connect", Fault.UNREACHABLE): (
        "The proxy answers, but does not get to the service: ask its administrator about its DNS and its way out."
    ),
    ("keys held", Fault.KEYS_REFUSED): "Restore the database from its backup, or rebind.",
    ("keys held", Fault.KEYS_NOT_STORED): (
        "Put the vault's key back where the text says and restart; without it unbind and bind anew."
    ),
}
"""Where a layer knows better what to do than the fault alone."""

LET_IN: Final = "not locked, no second step asked for, no expired password: the service let it in"


Told = Callable[[BindStep], None]


def nobody(_layer: BindStep) -> None:
    """Nobody waits for single layers."""


def both(one: Told, other: Told) -> Told:
    """Two who wait for them."""

    def told(layer: BindStep) -> None:
        one(layer)
        other(layer)

    return told


class Ended(Exception):
    """A layer failed; its line is written."""


class Chart:
    """The report as it grows. `proxied` says which way the layers that nobody reached belong to.

    `told` is called with every line as it is written, and again with one that a later layer proved wrong.
    """

    def __init__(self, clock: Clock, told: Told = nobody) -> None:
        self._clock = clock
        self._told = told
        self._steps: list[BindStep] = []
        self.proxied = False

    @asynccontextmanager
    async def layer(self, name: str) -> AsyncIterator[Line]:
        """Time one layer; a `ProviderFault` inside is written where it belongs and ends the walk with `Ended`."""
        began, line = self._clock.monotonic(), Line()
        try:
            yield line
        except ProviderFault as fault:
            self.fail(name, fault, seconds=self._clock.monotonic() - began)
        self._write(name, line, seconds=self._clock.monotonic() - began)

    def passed(self, name: str, detail: str) -> None:
        """A layer that another one has proven."""
        self._write(name, Line(detail))

    def skip(self, names: Iterable[str], because: str) -> None:
        """Layers that were not examined, and why."""
        for name in names:
            self._write(name, Line(because, "skipped"))

    def stop(self, name: str, detail: str, *, remedy: str) -> NoReturn:
        """A layer that failed for a reason of its own. Raises `Ended`."""
        self._write(name, Line(detail, "failed", remedy))
        raise Ended

    def way(self, layers: Sequence[Layer], *, prefix: str = "") -> None:
        """The layers of a way as they were walked. Raises `Ended` for the one that failed."""
        for layer in layers:
            if layer.fault is not None:
                line = Line(layer.detail, "failed", _remedy(layer.name, layer.fault.fault))
                self._write(prefix + layer.name, line, seconds=layer.seconds)
                raise Ended
            self._write(prefix + layer.name, Line(layer.detail), seconds=layer.seconds)

    def fail(self, name: str, fault: ProviderFault, *, seconds: float = 0.0) -> NoReturn:
        """A fault that showed at `name`. Raises `Ended`."""
        home, line = _HOME.get(fault.fault, name), Line(fault.detail, "failed", _remedy(name, fault.fault))
        if any(step.step == home for step in self._steps):
            self._amend(home, fault)
        elif home == "account" and name == "sign-in":
            self._write(name, Line("not decided: what the service says of the account comes first", "skipped"))
            self._write(home, line, seconds=seconds)
        elif home == "role" and name == "sign-in":
            self._write(name, Line("the service knows who signs in"), seconds=seconds)
            self.passed("account", LET_IN)
            self._write(home, line)
        else:
            self._write(name, line, seconds=seconds)
        raise Ended

    def finished(self) -> tuple[BindStep, ...]:
        """Every line; those that were not reached say because of which one."""
        written = self._steps
        failed = next((step.step for step in written if step.status == "failed"), "")
        planned = ("configuration", *(PROXY_WAY if self.proxied else DIRECT_WAY), *BEHIND_THE_WAY)
        there = {_family(step.step) for step in written}
        self.skip([name for name in planned if name not in there], f"not reached because {failed} failed")
        return tuple(sorted(self._steps, key=lambda step: planned.index(_family(step.step))))

    def _amend(self, name: str, fault: ProviderFault) -> None:
        """A layer that seemed well is not: a later one proved it."""
        steps = self._steps
        at = next(number for number, step in enumerate(steps) if step.step == name)
        detail = f"{steps[at].detail}; but {fault.detail}"
        steps[at] = replace(steps[at], status="failed", detail=detail, remedy=fault.fault.remedy)
        self._told(steps[at])

    def _write(self, name: str, line: Line, *, seconds: float = 0.0) -> None:
        step = BindStep(
            step=name, status=line.status, seconds=round(seconds, 4), detail=line.detail, remedy=line.remedy
        )
        self._steps.append(step)
        self._told(step)


def _remedy(name: str, fault: Fault) -> str:
    return _REMEDIES.get((name, fault), fault.remedy)


def _family(name: str) -> str:
    """`region tls` stands where `region` does."""
    return "region" if name.startswith("region") else name
