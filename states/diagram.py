"""The lifecycle as a Mermaid state diagram, drawn from the table. The README holds what this prints."""

from __future__ import annotations

from states.state import State
from states.table import TABLE


def mermaid() -> str:
    """A `stateDiagram-v2` with one arrow per pair of different states; what keeps the state is left out."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.UNCONFIGURED.value}"]
    lines += [
        f"    {source.value} --> {target.value}: {', '.join(triggers)}"
        for (source, target), triggers in _arrows().items()
    ]
    return "\n".join(lines)


def _arrows() -> dict[tuple[State, State], list[str]]:
    arrows: dict[tuple[State, State], list[str]] = {}
    for row in TABLE:
        if row.source is not row.target:
            triggers = arrows.setdefault((row.source, row.target), [])
            if row.trigger not in triggers:
                triggers.append(row.trigger)
    return arrows
