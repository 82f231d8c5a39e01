"""Answers a scrape: negotiates the format and hands out the text in pieces of bounded work.

Called by `daemon.web`'s handler for `/metrics`. Byte for byte what `prometheus_client` would answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from metrics.instruments import Instruments
from metrics.text import END, Encoder, Format

_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}")


@lru_cache(maxsize=64)  # a scraper sends the same header for ever
def _negotiated(accept: str) -> tuple[Encoder, str]:
    # What names a version that is none is as good as not there: the library raises for some, and repeats others.
    return choose_encoder(",".join(one for one in accept.split(",") if _makes_sense(one)))


def _makes_sense(accepted: str) -> bool:
    """Whether one format of an Accept header names a version that is one, or none."""
    parameters = (parameter.strip().partition("=") for parameter in accepted.split(";"))
    return all(_VERSION.fullmatch(value) for name, _, value in parameters if name == "version")


class Exposition:
    """The text of a registry and the instruments that fill it."""

    def __init__(self, registry: CollectorRegistry, instruments: Instruments) -> None:
        self._registry = registry
        self._instruments = instruments

    def answer(self, accept: str, names: Sequence[str] = ()) -> tuple[str, Iterator[bytes]]:
        """The Content-Type for an Accept header, and the body; `names` asks for some series only."""
        encoder, content_type = _negotiated(accept)
        if names or "escaping=dots" in content_type or "escaping=values" in content_type:
            # Rare, and never asked for by a Prometheus in its default configuration: the plain way will do.
            registry = self._registry.restricted_registry(names) if names else self._registry
            return content_type, iter((encoder(registry),))
        open_metrics = content_type.startswith("application/openmetrics-text")
        return content_type, self._pieces(Format.OPEN_METRICS if open_metrics else Format.PLAIN)

    def _pieces(self, format_: Format) -> Iterator[bytes]:
        for written in self._instruments.written:
            yield written.text(format_)
        yield from self._instruments.sites.pieces(format_)
        if format_ is Format.OPEN_METRICS:
            yield END
