"""The states of a site over time: one bar as SVG, and the same as rows of a table.

Lengths along time are per cent of the width, all others pixels: so the bar is as wide as its place, and letters keep
their size on every screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from markupsafe import Markup

from daemon.engine.history import StateHistory, StateInterval
from daemon.web.ui.rendering import moment
from states import State

_TOP, _BAR, _AXIS, _HIGHER = 26, 34, 22, 6
_LEGEND_LINE, _LEGEND_COLUMN = 22, 150
_BRIEF: Final = 0.25
"""Per cent of the width below which an interval is brief: less than three pixels of a thousand."""
_TOO_MANY: Final = 3
"""Of more brief intervals in one place, none can be told apart."""
_MANY, _UNKNOWN = "many", "unknown"
_TELLING: Final = (State.FAILED, State.BINDING, State.UNCONFIGURED, State.CONFIGURED, State.BOUND)
_NAMES: Final = {_UNKNOWN: "not known"}
_SMALLEST: Final = 0.1
"""Per cent that are told."""
_MOST_TICKS: Final = 5
_EDGE: Final = 4
"""Per cent of the width in which a text around a point may not find room."""
_STEPS: Final = tuple(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12, 24, 48, 24 * 7, 24 * 14, 24 * 30, 24 * 90))
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_INK: Final = {
    State.UNCONFIGURED.value: '<circle class="ink" cx="4" cy="4" r="1.5"/>',
    State.CONFIGURED.value: '<path class="line" d="M0 2 H8 M0 6 H8"/>',
    State.BINDING.value: '<path class="line" d="M-2 2 L2 -2 M0 8 L8 0 M6 10 L10 6"/>',
    State.BOUND.value: '<rect class="ink" width="8" height="8"/>',
    State.FAILED.value: '<path class="line" d="M0 0 L8 8 M8 0 L0 8"/>',
    _MANY: '<path class="line" d="M2 0 V8 M6 0 V8"/>',
}
"""What tells each state apart without its colour, on a tile of 8 by 8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRow:
    """One state of a site as a row of a table; it still is in it where `end` is None."""

    state: State
    begin: datetime
    end: datetime | None
    lasted: timedelta
    reason: str
    seq: int


@dataclass(frozen=True, slots=True)
class _Bar:
    """A piece of the bar from `left`, in per cent; `brief` ones get an outline that keeps them visible."""

    kind: str
    left: float
    width: float
    text: str
    brief: bool = False


@dataclass(frozen=True, slots=True)
class _Span:
    """The time that is drawn."""

    begin: datetime
    end: datetime

    def at(self, moment: datetime) -> float:
        """Where a moment is, in per cent of the width."""
        return 100 * ((moment - self.begin) / (self.end - self.begin))

    def cut(self, interval: StateInterval) -> tuple[float, float]:
        """The part of an interval that is drawn."""
        ended = self.end if interval.end is None else min(interval.end, self.end)
        return self.at(max(interval.begin, self.begin)), self.at(max(ended, self.begin))


def timeline_rows(history: StateHistory) -> list[TimelineRow]:
    """The intervals in order, each with how long it lasted until now."""
    return [
        TimelineRow(
            state=one.state,
            begin=one.begin,
            end=one.end,
            lasted=max(timedelta(), (history.until if one.end is None else one.end) - one.begin),
            reason=one.reason,
            seq=one.seq,
        )
        for one in history.intervals
    ]


def timeline(history: StateHistory, *, begin: datetime, end: datetime) -> Markup:
    """The states from `begin` to `end`, which must be later. What is too brief to be told apart is drawn as one."""
    span = _Span(begin, end)
    shown = [one for one in history.intervals if one.begin < end and (one.end is None or one.end > begin)]
    bars = list(_bars(shown, span))
    shares = _shares(shown, span)
    if any(bar.kind == _MANY for bar in bars):
        shares.append((_MANY, "many changes"))
    lines = (len(shares) + 1) // 2
    parts = [
        Markup('<svg class="timeline" width="100%" height="{}" role="img" aria-labelledby="{}">').format(
            _TOP + _BAR + _AXIS + lines * _LEGEND_LINE, "timeline-title timeline-text"
        ),
        Markup('<title id="timeline-title">States from {} to {}</title>').format(moment(begin), moment(end)),
        Markup('<desc id="timeline-text">{}</desc>').format(_in_words(shown, shares)),
        Markup("<defs>{}</defs>").format(Markup("").join(_pattern(kind) for kind in _INK)),
        _text("label", 0, 14, text=_minute(begin)),
        _text("label", 100, 14, text=f"{_minute(end)} UTC", anchor="end"),
        Markup('<rect class="track" x="0" y="{}" width="100%" height="{}"/>').format(_TOP, _BAR),
        *map(_piece, bars),
        *(_tick(span.at(at), _tick_text(at, step)) for at, step in _ticks(span)),
        *(_legend(number, kind, text=text) for number, (kind, text) in enumerate(shares)),
        Markup("</svg>"),
    ]
    return Markup("").join(parts)


def _bars(shown: Iterable[StateInterval], span: _Span) -> Iterator[_Bar]:
    """Long intervals first, brief ones upon them."""
    placed = [(one, *span.cut(one)) for one in shown]
    for one, left, right in placed:
        if right - left >= _BRIEF:
            yield _Bar(one.state.value, left, right - left, _told(one))
    brief = [(one, left, right) for one, left, right in placed if right - left < _BRIEF]
    yield from _merged([_slot(list(found)) for _, found in groupby(brief, key=lambda found: int(found[1] / _BRIEF))])


def _slot(found: Sequence[tuple[StateInterval, float, float]]) -> tuple[_Bar, int]:
    """What stands for the brief intervals of one place: the one that tells most, or that there are too many."""
    left, right = found[0][1], found[-1][2]
    if len(found) > _TOO_MANY:
        return _Bar(_MANY, left, right - left, "", brief=True), len(found)
    most = min((one for one, _, _ in found), key=lambda one: _TELLING.index(one.state))
    text = "\n".join(_told(one) for one, _, _ in found)
    return _Bar(most.state.value, left, right - left, text, brief=True), len(found)


def _merged(slots: Sequence[tuple[_Bar, int]]) -> Iterator[_Bar]:
    """Places with too many that follow each other become one."""
    run: list[tuple[_Bar, int]] = []
    for slot in slots:
        if run and (slot[0].kind != _MANY or slot[0].left - _right(run[-1][0]) > _BRIEF):
            yield _many(run)
            run = []
        if slot[0].kind == _MANY:
            run.append(slot)
        else:
            yield slot[0]
    if run:
        yield _many(run)


def _right(bar: _Bar) -> float:
    return bar.left + bar.width


def _many(run: Sequence[tuple[_Bar, int]]) -> _Bar:
    first, last = run[0][0], run[-1][0]
    return _Bar(_MANY, first.left, _right(last) - first.left, f"{sum(n for _, n in run)} changes", brief=True)


def _told(one: StateInterval) -> str:
    until = "now" if one.end is None else moment(one.end)
    reason = "".join(letter if letter.isprintable() else " " for letter in one.reason)
    return f"{one.state.value} from {moment(one.begin)} to {until}: {reason}"


def _shares(shown: Sequence[StateInterval], span: _Span) -> list[tuple[str, str]]:
    """Each state that was, with its part of the time, in the order of the lifecycle; then what is not known."""
    parts: dict[str, float] = {}
    for one in shown:
        left, right = span.cut(one)
        parts[one.state.value] = parts.get(one.state.value, 0.0) + right - left
    unknown = 100 - sum(parts.values())
    if unknown > _SMALLEST / 2:
        parts[_UNKNOWN] = unknown
    order = [state.value for state in State] + [_UNKNOWN]
    return [(kind, f"{_NAMES.get(kind, kind)} {_percent(parts[kind])}") for kind in order if kind in parts]


def _percent(part: float) -> str:
    """Of the whole alone is said 100 %, and of nothing alone 0 %."""
    if 0 < part < _SMALLEST:
        return f"< {_SMALLEST} %"
    return f"{min(part, 100 - _SMALLEST) if part < 100 else part:.1f} %"


def _in_words(shown: Sequence[StateInterval], shares: Iterable[tuple[str, str]]) -> str:
    if not shown:
        return "Nothing is known of this time."
    last = shown[-1]
    now = f" It is {last.state.value} since {moment(last.begin)}." if last.end is None else ""
    return f"Of this time: {', '.join(text for _, text in shares)}.{now} The table tells the same."


def _ticks(span: _Span) -> Iterator[tuple[datetime, timedelta]]:
    """Round moments in UTC, few enough for a narrow screen."""
    length = span.end - span.begin
    step = next((step for step in _STEPS if length / step <= _MOST_TICKS), length)
    at = _EPOCH + -((_EPOCH - span.begin) // step) * step
    while at <= span.end:
        if at >= span.begin:
            yield at, step
        at += step


def _tick_text(at: datetime, step: timedelta) -> str:
    at = at.astimezone(UTC)
    midnight = (at.hour, at.minute) == (0, 0)
    return _day(at) if midnight or step >= timedelta(days=1) else f"{at:%H:%M}"


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]}"


def _minute(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{_day(at)} {at:%H:%M}"


def _pattern(kind: str) -> Markup:
    return Markup(
        '<pattern id="timeline-{}" class="st-{}" width="8" height="8" patternUnits="userSpaceOnUse">'
        '<rect class="ground" width="8" height="8"/>{}</pattern>'
    ).format(kind, kind, Markup(_INK[kind]))  # noqa: S704 - a constant


def _piece(bar: _Bar) -> Markup:
    # Brief ones stand out at the top, so that they are seen beside any neighbour and without colours.
    higher = _HIGHER if bar.brief else 0
    return Markup(
        '<rect class="piece st-{}{}" x="{:.3f}%" y="{}" width="{:.3f}%" height="{}" fill="url(#timeline-{})">'
        "<title>{}</title></rect>"
    ).format(
        bar.kind, " brief" if bar.brief else "", bar.left, _TOP - higher, bar.width, _BAR + higher, bar.kind, bar.text
    )


def _tick(left: float, text: str) -> Markup:
    """At the ends a text stands inside."""
    anchor = "start" if left < _EDGE else "end" if left > 100 - _EDGE else "middle"
    bottom = _TOP + _BAR
    line = Markup('<line class="tick" x1="{:.3f}%" x2="{:.3f}%" y1="{}" y2="{}"/>').format(
        left, left, bottom, bottom + 5
    )
    return line + _text("label", left, bottom + 18, text=text, anchor=anchor)


def _text(kind: str, left: float, y: int, *, text: str, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{:.3f}%" y="{}" text-anchor="{}">{}</text>').format(kind, left, y, anchor, text)


def _legend(number: int, kind: str, *, text: str) -> Markup:
    """Two columns of a width in pixels, which a narrow screen holds."""
    x, y = number % 2 * _LEGEND_COLUMN, _TOP + _BAR + _AXIS + number // 2 * _LEGEND_LINE + 4
    box = Markup('<rect class="track" x="{}" y="{}" width="14" height="14"/>')
    if kind != _UNKNOWN:
        box = Markup('<rect class="piece st-{}" x="{}" y="{}" width="14" height="14" fill="url(#timeline-{})"/>')
        swatch = box.format(kind, x + 1, y, kind)
    else:
        swatch = box.format(x + 1, y)
    return swatch + Markup('<text class="label" x="{}" y="{}">{}</text>').format(x + 20, y + 12, text)
