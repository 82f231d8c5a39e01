"""Drawings as SVG, made on the server: where a site stands in its lifecycle, and in which states it was.

Style is by class alone, since the page's policy allows no other; what is drawn is also told in words beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from states import State

_WIDTH, _HEIGHT = 320, 404
"""As narrow as the narrowest screen, so that its letters are never smaller than 12 pixels there."""
_BOX_WIDTH, _BOX_HEIGHT = 128, 44

_PLACES: Final = {
    State.UNCONFIGURED: (96, 8),
    State.CONFIGURED: (96, 112),
    State.BINDING: (96, 216),
    State.BOUND: (6, 350),
    State.FAILED: (186, 350),
}
"""The upper left corner of each state's box."""

_TOLD: Final = {
    State.UNCONFIGURED: "it has no configuration that can be used",
    State.CONFIGURED: "its configuration can be used, and it is not bound",
    State.BINDING: "a bind is under way",
    State.BOUND: "it is bound",
    State.FAILED: "the last bind failed, or the binding was lost",
}


@dataclass(frozen=True, slots=True)
class _Edge:
    """An arrow and what it is called, at (x, y)."""

    path: str
    label: str
    x: int
    y: int
    anchor: str = "start"


_EDGES: Final = (
    _Edge("M160 52 V104", "configuration read", 168, 86),
    _Edge("M96 124 C64 108 64 50 88 36", "removed", 66, 86, "end"),
    _Edge("M160 156 V208", "bind", 168, 180),
    _Edge("M142 260 L98 341", "succeeds", 116, 332),
    _Edge("M178 260 L222 341", "fails", 182, 288, "end"),
    _Edge("M40 350 C40 292 56 246 88 242", "rebind", 52, 310),
    _Edge("M280 350 C280 292 264 246 232 242", "retry", 268, 310, "end"),
    _Edge("M15 350 C-6 250 20 146 88 138", "unbind", 26, 204),
    _Edge("M305 350 C326 250 300 146 232 138", "new settings", 288, 204, "end"),
    _Edge("M134 372 H178", "lost", 158, 366, "middle"),
)


def state_diagram(current: State, *, held: bool) -> Markup:
    """The five states with the current one marked by a double outline and a word; `held`: a binding is held."""
    parts = [
        Markup('<svg class="states" viewBox="0 0 {} {}" role="img" aria-labelledby="states-title states-text">').format(
            _WIDTH, _HEIGHT
        ),
        Markup('<title id="states-title">Where the site stands: {}</title>').format(current.value),
        Markup('<desc id="states-text">{}</desc>').format(_in_words(current, held=held)),
        Markup(
            '<defs><marker id="states-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            'markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
        ),
        *map(_edge, _EDGES),
        *(_box(state, now=state is current, held=held) for state in _PLACES),
        Markup("</svg>"),
    ]
    return Markup("").join(parts)


def _in_words(current: State, *, held: bool) -> str:
    earlier = ", while an earlier binding is still held" if held and current is not State.BOUND else ""
    ways = "unconfigured, configured, binding, and then bound or failed"
    return f"The site is {current.value}: {_TOLD[current]}{earlier}. The states are {ways}."


def _edge(edge: _Edge) -> Markup:
    return Markup(
        '<path class="edge" d="{}" marker-end="url(#states-arrow)"/>'
        '<text class="label" x="{}" y="{}" text-anchor="{}">{}</text>'
    ).format(edge.path, edge.x, edge.y, edge.anchor, edge.label)


def _box(state: State, *, now: bool, held: bool) -> Markup:
    x, y = _PLACES[state]
    lines = [_outline(x, y, wider=4)] if now else []
    lines.append(_outline(x, y, wider=0))
    note = ("now, binding held" if held and state is not State.BOUND else "now") if now else ""
    lines.append(_line("name", x, y + (19 if note else 27), text=state.value))
    if note:
        lines.append(_line("note", x, y + 36, text=note))
    return Markup('<g class="st-{}{}">{}</g>').format(state.value, " now" if now else "", Markup("").join(lines))


def _outline(x: int, y: int, *, wider: int) -> Markup:
    return Markup('<rect class="box" x="{}" y="{}" width="{}" height="{}" rx="{}"/>').format(
        x - wider, y - wider, _BOX_WIDTH + 2 * wider, _BOX_HEIGHT + 2 * wider, 6 + wider
    )


def _line(kind: str, x: int, y: int, *, text: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>').format(
        kind, x + _BOX_WIDTH // 2, y, text
    )
