"""The two text formats of Prometheus, in the pieces that the families here need.

Everything that must agree with `prometheus_client` to the byte is made by `prometheus_client`: the headers
are its own output for a family without samples, numbers go through its own function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

END = b"# EOF\n"
"""What ends an OpenMetrics document and stands nowhere else."""

Encoder = Callable[[Collector], bytes]


class Format(Enum):
    """A text format; the value is the Accept header that asks the client library for it."""

    PLAIN = "text/plain;version=0.0.4"
    OPEN_METRICS = "application/openmetrics-text;version=1.0.0"


ENCODERS: Mapping[Format, Encoder] = {format_: choose_encoder(format_.value)[0] for format_ in Format}


class _One:
    """A registry of one family."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def encoded(families: Iterable[Metric], format_: Format) -> bytes:
    """The client library's own text of these families, without the end mark."""
    return ENCODERS[format_](_One(families)).removesuffix(END)


def headers(family: Metric) -> dict[Format, str]:
    """HELP, TYPE and UNIT lines of a family without samples, in every format."""
    return {format_: encoded([family], format_).decode() for format_ in Format}


def number(value: float) -> str:
    """A value as Go writes it. Whole numbers below a million, which nearly all are, take a short way."""
    if type(value) is int and 0 <= value < 1_000_000:
        return f"{value}.0"
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def escaped(value: str) -> str:
    """A label's value, escaped."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def series(name: str, labels: Mapping[str, str]) -> str:
    """`name{a="b"} `: all of a line that stands before its value."""
    pairs = ",".join(f'{key}="{escaped(labels[key])}"' for key in sorted(labels))
    return f"{name}{{{pairs}}} " if pairs else f"{name} "
