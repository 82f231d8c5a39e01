"""docs/reference/metrics.md, from a registry in which everything that can be counted was counted once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Metric

from daemon.providers.clouds import ENDPOINTS
from daemon.providers.late_microsoft import ENDPOINTS as MICROSOFT_ENDPOINTS
from metrics import Instruments, new_registry
from metrics.instruments import BIND_BUCKETS, UPKEEP
from states import BIND_STEPS, EVENTS, State
from tests.mixin import files
from tests.reference.markdown import anchor, codes, page, table, title

SERIES: Final = ("_bucket", "_count", "_sum")
FIRST: Final = """\
Every family that `GET /metrics` shows, in its order, as Prometheus stores its series:
[monitoring.md](../monitoring.md) tells how to scrape them. Times are Unix seconds. Every label comes from a closed
set, so that no caller can make series at will; what is known beforehand stands at 0 from the first scrape on.
Counters begin at 0 with each start of the daemon."""
LABELS: Final[dict[str, str]] = {
    "site": "the ids of the configured sites",
    "sitebind_site_state": codes(state.value for state in State),
    "before": codes(state.value for state in State),
    "after": codes(state.value for state in State),
    "event": codes(event.trigger for event in EVENTS),
    "result": codes(("succeeded", "failed", "cancelled")),
    "fault": "empty where the bind did not fail, else [a fault's code](../troubleshooting.md#every-fault)",
    "step": codes((*BIND_STEPS, "other")),
    "endpoint": codes((*ENDPOINTS, *MICROSOFT_ENDPOINTS)),
    "owner": "`effects`: binds, checks, refreshes, revocations; `records`: what writes down; `other`: all others",
    "task": codes((*UPKEEP, "other")),
    "code": "of an answer its HTTP status, of a call without one the fault's code, else `other`",
    "method, of a request": codes(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other")),
    "route": "the patterns of the paths, as in [the API reference](api.md); `unmatched` where none fits",
    "le": f"{codes(str(bucket) for bucket in BIND_BUCKETS)}, `+Inf`",
    "site_code": "the site's own code",
    "account_code": "of the held binding; empty without one",
    "region": "of the held binding; empty without one",
    "method, of a binding": codes(("cloud", "domain", "application")),
    "version": "sitebind's own",
    "python_version": "of the interpreter",
}
ENDINGS: Final[Mapping[str, str]] = {"counter": "_total", "info": "_info"}
"""What the series of a family are named beyond it; those of a histogram have three names."""


def text() -> str:
    """The page."""
    found = families()
    lines = title("Metrics reference", first=FIRST)
    rows = [(f"[`{name}`](#{anchor(name)})", family.type, codes(label_names(family))) for name, family in found.items()]
    lines += table(("Family", "Type", "Labels"), rows)
    for name, family in found.items():
        lines += _family(name, family)
    lines += ["## Labels", "", "The closed sets that the labels' values come from.", ""]
    return page([*lines, *table(("Label", "Values"), LABELS.items())])


def families() -> dict[str, Metric]:
    """Every family with a sample of each label, by the name of its series."""
    return {f"{family.name}{ENDINGS.get(family.type, '')}": family for family in _counted_once().collect()}


def label_names(family: Metric) -> list[str]:
    """The labels of a family's series, in the order in which they come."""
    return list(dict.fromkeys(label for sample in family.samples for label in sample.labels))


def _counted_once() -> CollectorRegistry:
    """What counts by a label from outside is counted once, so that the label is seen."""
    registry = new_registry()
    instruments = Instruments(registry, version="0", endpoints=(*ENDPOINTS, *MICROSOFT_ENDPOINTS))
    instruments.add_site("default")
    instruments.upstream_call("login", code="200", seconds=1)
    instruments.http_request(method="GET", route="/metrics", status=200)
    return registry


def _family(name: str, family: Metric) -> Iterator[str]:
    yield from (f"### {name}", "", _sentence(family.documentation), "")
    facts = {
        "Type": _type(family),
        "Unit": family.unit or _unit(name),
        "Series": codes(f"{family.name}{ending}" for ending in SERIES) if family.type == "histogram" else "",
        "Labels": codes(label_names(family)),
        "Alerts": ", ".join(f"[{alert}](../runbook.md#{alert.lower()})" for alert in _alerts(family)),
        "Recorded as": codes(_recorded(family)),
    }
    yield from (f"* {fact}: {said}" for fact, said in facts.items() if said)
    yield ""


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _type(family: Metric) -> str:
    if family.type in ("info", "stateset"):
        return f"{family.type}; in the plain text format a gauge"
    return family.type


def _unit(name: str) -> str:
    return next((unit for unit in ("seconds", "bytes") if f"_{unit}" in name), "")


def _alerts(family: Metric) -> list[str]:
    """The alerts whose condition asks for the family; more name it in their text."""
    return sorted({alert["alert"] for alert in files.alerts() if files.names_in(alert["expr"]) & _series(family)})


def _recorded(family: Metric) -> list[str]:
    return [rule["record"] for rule in files.recorded() if files.names_in(rule["expr"]) & _series(family)]


def _series(family: Metric) -> set[str]:
    return {f"{family.name}{ending}" for ending in ("", "_total", "_info", *SERIES)}
