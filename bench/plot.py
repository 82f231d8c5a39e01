"""The plot of a run: how far each row is beyond its goal or short of it, as bars on a logarithmic scale. Plain SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, log10

from bench.table import Row, decimal

LINE, LEFT, WIDTH, TOP = 22, 470, 900, 46
LEAST, MOST = 0.01, 100.0
"""What lies outside is drawn to the edge; its number stands beside it."""

STYLE = """
    text { font: 12px system-ui, sans-serif; fill: #1f2328 }
    .number { font-size: 11px; fill: #59636e }
    .line { stroke: #d1d9e0 } .goal { stroke: #1f2328; stroke-width: 2 }
    .met { fill: #1a7f37 } .missed { fill: #cf222e }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc } .number { fill: #9198a1 }
      .line { stroke: #3d444d } .goal { stroke: #f0f6fc }
      .met { fill: #3fb950 } .missed { fill: #f85149 }
    }
"""


def drawn(rows: Sequence[Row]) -> str:
    """The rows that have a goal; green to the right of the line is beyond it, red to the left short of it."""
    aimed = [row for row in rows if row.goal]
    reach = _reach([beyond(row) for row in aimed])
    height = TOP + LINE * len(aimed) + 12
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d">',
            '  <title id="t">How far each row is beyond its goal, or short of it</title>',
            f'  <desc id="d">{escape(described(aimed))}</desc>',
            f"  <style>{STYLE}  </style>",
            *_scale(reach, height),
            *(line for at, row in enumerate(aimed) for line in _bar(row, TOP + LINE * at, reach)),
            "</svg>\n",
        ]
    )


def beyond(row: Row) -> float:
    """Times beyond the goal: 1 is the goal itself, less is short of it, whichever way the goal points."""
    _, goal = row.goal.split()
    times = row.ratio / float(goal) if row.more_is_better else float(goal) / row.ratio if row.ratio else MOST
    return min(MOST, max(LEAST, times))


def described(aimed: Sequence[Row]) -> str:
    """The plot in words, for who cannot see it."""
    met = sum(1 for row in aimed if row.met)
    short = "; ".join(f"{row.name}: {decimal(row.ratio)}, goal {row.goal}" for row in aimed if not row.met)
    return f"{met} of {len(aimed)} goals are met. Short of the goal: {short or 'none'}."


def _reach(values: Sequence[float]) -> int:
    """Powers of ten to each side, at least one."""
    return max([1, *(ceil(abs(log10(value))) for value in values)])


def _x(times: float, reach: int) -> float:
    middle, half = (LEFT + WIDTH - 30) / 2, (WIDTH - 30 - LEFT) / 2
    return middle + half * log10(times) / reach


def _scale(reach: int, height: int) -> Iterator[str]:
    for power in range(-reach, reach + 1):
        x = _x(10.0**power, reach)
        name = "goal" if power == 0 else f"×{10**power}" if power > 0 else f"1/{10**-power}"
        yield f'  <text class="number" x="{x:.0f}" y="{TOP - 26}" text-anchor="middle">{name}</text>'
        kind = "goal" if power == 0 else "line"
        yield f'  <line class="{kind}" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 18}" y2="{height - 8}"/>'


def _bar(row: Row, y: int, reach: int) -> Iterator[str]:
    goal, end = _x(1.0, reach), _x(beyond(row), reach)
    left, width = min(goal, end), max(1.0, abs(end - goal))
    kind = "met" if row.met else "missed"
    yield f'  <text x="{LEFT - 16}" y="{y + 11}" text-anchor="end">{escape(row.name)}</text>'
    yield f'  <rect class="{kind}" x="{left:.1f}" y="{y}" width="{width:.1f}" height="14" rx="2"/>'
    side, at = ("end", goal - 6) if row.met else ("start", goal + 6)
    said = escape(f"{decimal(row.ratio)} ({row.goal.replace('>=', '≥').replace('<=', '≤')})")
    yield f'  <text class="number" x="{at:.1f}" y="{y + 11}" text-anchor="{side}">{said}</text>'
