"""Drawings as SVG, made on the server: where a site stands in its lifecycle.

Style is by class alone, since the page's policy allows no other; what is drawn is also told in words beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from states import State

_WIDTH, _HEIGHT = 660, 250
_BOX_WIDTH, _BOX_HEIGHT = 126, 46

_PLACES: Final = {
    State.UNCONFIGURED: (12, 102),
    State.CONFIGURED: (188, 102),
    State.BINDING: (364, 102),
    State.BOUND: (522, 18),
    State.FAILED: (522, 186),
}
"""The upper left corner of each state's box."""


@dataclass(frozen=True, slots=True)
class _Edge:
    """An arrow and its name, which stands at (x, y)."""

    path: str
    label: str
    x: int
    y: int
    anchor: str = "middle"


_EDGES: Final = (
    _Edge("M138 125 H186", "read", 162, 116),
    _Edge("M314 125 H362", "bind", 338, 116),
    _Edge("M440 102 C440 60 470 36 520 34", "succeeds", 462, 44, "end"),
    _Edge("M560 64 C558 96 530 114 492 118", "rebind", 552, 98, "start"),
    _Edge("M440 148 C440 190 470 214 520 214", "fails", 462, 212, "end"),
    _Edge("M560 186 C558 154 530 136 492 132", "retry", 552, 160, "start"),
    _Edge("M622 64 V184", "lost", 616, 128, "end"),
    _Edge("M522 26 C420 2 300 20 262 100", "unbind", 352, 24),
    _Edge("M250 148 C240 200 120 200 84 150", "file withdrawn", 168, 206),
)


def state_diagram(current: State, *, held: bool) -> Markup:
    """The five states with the current one marked; `held`: a binding is held, whatever the state."""
    told = f"The site is {current.value}" + (", and holds a binding." if held else ", and holds no binding.")
    parts = [
        Markup('<svg class="states" viewBox="0 0 {} {}" role="img" aria-labelledby="states-title states-text">').format(
            _WIDTH, _HEIGHT
        ),
        Markup('<title id="states-title">{}</title>').format("The states of a site"),
        Markup('<desc id="states-text">{}</desc>').format(told),
        Markup(
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
        ),
        *(_edge(edge) for edge in _EDGES),
        *(_box(state, now=state is current, held=held) for state in _PLACES),
        Markup("</svg>"),
    ]
    return Markup("").join(parts)


def _edge(edge: _Edge) -> Markup:
    return Markup(
        '<path class="edge" d="{}" marker-end="url(#arrow)"/>'
        '<text class="label" x="{}" y="{}" text-anchor="{}">{}</text>'
    ).format(edge.path, edge.x, edge.y, edge.anchor, edge.label)


def _box(state: State, *, now: bool, held: bool) -> Markup:
    x, y = _PLACES[state]
    box = Markup('<rect class="box" x="{}" y="{}" width="{}" height="{}" rx="8"/>')
    lines = [box.format(x, y, _BOX_WIDTH, _BOX_HEIGHT)]
    if now:
        lines.insert(0, box.format(x - 5, y - 5, _BOX_WIDTH + 10, _BOX_HEIGHT + 10))
    note = ("now, binding held" if held and state is not State.BOUND else "now") if now else ""
    lines.append(
        Markup('<text class="name" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            x + _BOX_WIDTH // 2, y + (20 if note else 28), state.value
        )
    )
    if note:
        lines.append(
            Markup('<text class="note" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                x + _BOX_WIDTH // 2, y + 38, note
            )
        )
    return Markup('<g class="st-{}{}">{}</g>').format(state.value, " now" if now else "", Markup("").join(lines))
