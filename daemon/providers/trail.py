"""The layers of a way to the service, timed and put into words while they are passed.

`tunnel.py` and `reach.py` walk a way and leave a trail; the bind's `connect` step shows it in one sentence, the
doctor line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from daemon.ports import DIRECT_WAY, PROXY_WAY, Layer, ProviderFault

DNS, TCP, TLS = DIRECT_WAY
PROXY_DNS, PROXY_TCP, CONNECT, PROXY_AUTHENTICATION, _ = PROXY_WAY


@dataclass(slots=True)
class Note:
    """What a layer says of itself once it is passed."""

    text: str = ""


class Trail:
    """The layers in the order in which they were tried; the last one holds the fault if the way ended there."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.layers: list[Layer] = []

    @contextmanager
    def layer(self, name: str) -> Iterator[Note]:
        """Time one layer; a `ProviderFault` inside is kept with it and goes on up."""
        began, note = self._monotonic(), Note()
        try:
            yield note
        except ProviderFault as fault:
            self._add(name, fault.detail, began=began, fault=fault)
            raise
        self._add(name, note.text, began=began)

    def _add(self, name: str, detail: str, *, began: float, fault: ProviderFault | None = None) -> None:
        seconds = round(self._monotonic() - began, 4)
        self.layers.append(Layer(name=name, seconds=seconds, detail=detail, fault=fault))


def untold() -> Trail:
    """A trail for a way whose layers are told already, or by somebody else."""
    return Trail(lambda: 0.0)
