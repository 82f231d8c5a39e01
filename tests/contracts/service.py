"""The simulated service as the contract sees it: in this process with a clock that tests move, or in one of its own.

The contract uses the verbs of `Service` and nothing else of the sandbox, so that it cannot tell the two apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from daemon.cli.sandbox_control import Control
from daemon.sandbox import Sandbox
from tests.clock import ManualClock


class Service(Protocol):
    """Addresses, the CA, trouble and its end, and what the service saw."""

    @property
    def global_url(self) -> str: ...

    @property
    def regional_url(self) -> str: ...

    @property
    def services_url(self) -> str: ...

    @property
    def ca_file(self) -> Path: ...

    @property
    def calls(self) -> Counter[str]:
        """How many calls each endpoint had in this test."""
        ...

    @property
    def keys_held(self) -> int:
        """How many pairs of keys the service accepts."""
        ...

    def start(self, trouble: str, **options: Any) -> None:
        """Start a trouble; `times`, `seconds` and `endpoint` as in `sitebind sandbox trouble`."""

    def heal(self) -> None:
        """End every trouble."""

    async def budget_is_back(self, seconds: float) -> None:
        """A budget that the service called spent is there again after `seconds`."""


@dataclass(frozen=True)
class InProcess:
    """The sandbox runs in the test's own loop, and time is the test's."""

    sandbox: Sandbox
    clock: ManualClock

    @property
    def global_url(self) -> str:
        return self.sandbox.global_url

    @property
    def regional_url(self) -> str:
        return self.sandbox.regional_url

    @property
    def services_url(self) -> str:
        return self.sandbox.services_url

    @property
    def ca_file(self) -> Path:
        return self.sandbox.ca_file

    @property
    def calls(self) -> Counter[str]:
        return Counter(self.sandbox.calls)

    @property
    def keys_held(self) -> int:
        return len(list(self.sandbox.world.keys))

    def start(self, trouble: str, **options: Any) -> None:
        self.sandbox.script.start(trouble, **options)

    def heal(self) -> None:
        self.sandbox.script.heal()

    async def budget_is_back(self, seconds: float) -> None:
        await self.clock.advance(seconds)


@dataclass(frozen=True)
class OverTheWire:
    """`sitebind sandbox serve` runs beside the tests and is steered over its own control; time is real.

    `addresses` is what it wrote down of itself. Each test begins with a service that is healed and holds no keys.
    """

    control: Control
    addresses: Mapping[str, str]
    earlier: Counter[str] = field(default_factory=Counter)

    def as_new(self) -> OverTheWire:
        """Put right what an earlier test left behind; the calls are counted from here on."""
        self.heal()
        self.control.post("/sandbox/revoke", {})
        return OverTheWire(self.control, self.addresses, self._all_calls())

    @property
    def global_url(self) -> str:
        return self.addresses["global_url"]

    @property
    def regional_url(self) -> str:
        return self.addresses["regional_url"]

    @property
    def services_url(self) -> str:
        return self.addresses["services_url"]

    @property
    def ca_file(self) -> Path:
        return Path(self.addresses["ca_file"])

    @property
    def calls(self) -> Counter[str]:
        return self._all_calls() - self.earlier

    @property
    def keys_held(self) -> int:
        return len(self.control.get("/sandbox/state")["keys"])

    def start(self, trouble: str, **options: Any) -> None:
        self.control.post("/sandbox/trouble", {"name": trouble, **options})

    def heal(self) -> None:
        self.control.post("/sandbox/heal", {})

    async def budget_is_back(self, seconds: float) -> None:
        """The next call waits for it by itself: the client's clock is as real as the service's."""

    def _all_calls(self) -> Counter[str]:
        return Counter(self.control.get("/sandbox/state")["calls"])
