"""The drawings: well-formed, escaped, told in words and by shape, and quick whatever happened."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine.history import StateHistory, StateInterval
from daemon.web.ui.assets import STATIC
from daemon.web.ui.drawing import state_diagram
from daemon.web.ui.timeline import timeline, timeline_rows
from states import State

END = datetime(2026, 11, 27, 16, 20, tzinfo=UTC)
DAY = END - timedelta(hours=24)
CANARY = "<script>alert('&\"')</script>"


def a_history(*steps: tuple[State, float], since: datetime = DAY, reason: str = "because") -> StateHistory:
    """States with the minutes after `since` in which they began; the last one still is."""
    begins = [since + timedelta(minutes=minutes) for _, minutes in steps]
    intervals = tuple(
        StateInterval(state=state, begin=begin, end=end, seq=seq, reason=reason)
        for seq, ((state, _), begin, end) in enumerate(zip(steps, begins, [*begins[1:], None], strict=False), start=1)
    )
    return StateHistory(site="default", since=since, until=END, intervals=intervals)


def drawn(history: StateHistory, begin: datetime = DAY) -> ET.Element:
    return ET.fromstring(timeline(history, begin=begin, end=END))


def pieces(svg: ET.Element) -> list[tuple[str, float, float]]:
    """What stands on the bar: state, left and width in per cent."""
    return [
        (re.sub("(piece|brief|st-| )", "", one.get("class", "")), float(one.get("x", "")[:-1]), float(width[:-1]))
        for one in svg.iter("rect")
        if "piece" in one.get("class", "") and (width := one.get("width", "")).endswith("%")
    ]


def texts(svg: ET.Element) -> list[str]:
    return [one.text or "" for one in svg.iter("text")]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("held", [False, True])
def test_the_current_state_is_told_by_word_and_outline(state: State, *, held: bool) -> None:
    svg = ET.fromstring(state_diagram(state, held=held))
    groups = {one.get("class", ""): one for one in svg.iter("g")}
    assert set(groups) == {f"st-{one.value}{' now' * (one is state)}" for one in State}
    for name, group in groups.items():
        assert len(group.findall("rect")) == (2 if name.endswith("now") else 1)
    notes = [one.text for one in svg.iter("text") if one.get("class") == "note"]
    assert notes == ["now, binding held" if held and state is not State.BOUND else "now"]
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "states-title states-text"
    assert f"The site is {state.value}" in (svg.findtext("desc") or "")
    assert ("still held" in (svg.findtext("desc") or "")) == (held and state is not State.BOUND)


def test_every_arrow_of_the_diagram_has_a_name() -> None:
    svg = ET.fromstring(state_diagram(State.BOUND, held=True))
    kinds = Counter(one.get("class") for one in svg.iter() if one.get("class") in ("edge", "label"))
    assert kinds["edge"] == kinds["label"] == 10


def test_the_drawings_style_nothing_themselves() -> None:
    """The page's policy forbids it."""
    for text in (state_diagram(State.FAILED, held=True), timeline(a_history((State.BOUND, 0)), begin=DAY, end=END)):
        assert not re.search(r"style|<script|\son\w+=|href", text)


def test_foreign_text_stays_text() -> None:
    """Reasons come from upstream, and may hold what no XML may."""
    history = a_history((State.BOUND, 0), (State.BINDING, 60), (State.FAILED, 60.1), reason=CANARY)
    text = timeline(history, begin=DAY, end=END)
    assert "<script" not in text
    titles = [one.text or "" for one in drawn(history).iter("title")]
    assert sum(CANARY in title for title in titles) == 3
    assert timeline_rows(history)[0].reason == CANARY


def test_an_empty_history_says_that_nothing_is_known() -> None:
    svg = drawn(a_history())
    assert pieces(svg) == []
    assert svg.findtext("desc") == "Nothing is known of this time."
    assert "not known 100.0 %" in texts(svg)
    assert timeline_rows(a_history()) == []


def test_the_bar_is_divided_as_the_time_was() -> None:
    """Also what began before and what is not over; the legend says how much of each."""
    svg = drawn(a_history((State.CONFIGURED, -600), (State.BOUND, 360), (State.FAILED, 1080)))
    assert pieces(svg) == [("configured", 0, 25), ("bound", 25, 50), ("failed", 75, 25)]
    assert texts(svg)[-3:] == ["configured 25.0 %", "bound 50.0 %", "failed 25.0 %"]
    assert "It is failed since 2026-11-27 10:20:00 UTC." in (svg.findtext("desc") or "")


def test_what_is_over_before_and_what_is_not_yet_known_are_not_drawn() -> None:
    assert pieces(drawn(a_history((State.CONFIGURED, -60), (State.BOUND, 0)))) == [("bound", 0, 100)]
    svg = drawn(a_history((State.BOUND, 720)))
    assert pieces(svg) == [("bound", 50, 50)]
    assert "not known 50.0 %" in texts(svg)


def test_the_shortest_time_is_still_seen() -> None:
    """Its outline is two pixels wide, and it stands out of the bar; all but all of the time is not all of it."""
    svg = drawn(a_history((State.BOUND, 0), (State.FAILED, 700), (State.BOUND, 700.001)))
    [brief] = [one for one in svg.iter("rect") if "brief" in one.get("class", "")]
    assert brief.get("class") == "piece st-failed brief"
    assert float(brief.get("y", "")) < min(float(o.get("y", "")) for o in svg.iter("rect") if o.get("class") == "track")
    assert ".brief { stroke-width: 2; }" in (STATIC / "drawing.css").read_text()
    assert {"bound 99.9 %", "failed < 0.1 %"} <= set(texts(svg))


def test_of_few_brief_times_in_one_place_the_worst_is_drawn() -> None:
    """With all of them in its words."""
    svg = drawn(a_history((State.BOUND, 0), (State.BINDING, 700.1), (State.FAILED, 700.2), (State.BOUND, 700.3)))
    [(kind, _, _)] = pieces(svg)[2:]
    assert kind == "failed"
    [title] = [o.findtext("title") or "" for o in svg.iter("rect") if "brief" in o.get("class", "")]
    assert [line.partition(" ")[0] for line in title.splitlines()] == ["binding", "failed"]


def test_hundreds_of_changes_in_one_place_become_one() -> None:
    """And are counted."""
    steps = [(State.FAILED if n % 2 else State.BINDING, 300 + n * 0.1) for n in range(1000)]
    svg = drawn(a_history((State.BOUND, 0), *steps, (State.BOUND, 400)))
    [(kind, left, width)] = [piece for piece in pieces(svg) if piece[0] == "many"]
    assert (kind, round(left, 1), round(left + width, 1)) == ("many", 20.8, 27.8)
    assert "many changes" in texts(svg)
    assert "1000 changes" in [one.text for one in svg.iter("title")]


@pytest.mark.parametrize("days", [1, 30])
def test_ten_thousand_intervals_are_drawn_at_once(days: int) -> None:
    """Quick to draw, and no more in the picture than it can show."""
    begin = END - timedelta(days=days)
    steps = [(list(State)[n % 5], n * days * 0.144) for n in range(10_000)]
    history = a_history(*steps, since=begin)
    started = time.process_time()
    text = timeline(history, begin=begin, end=END)
    assert time.process_time() - started < 2
    assert len(text) < 200_000


def test_ticks_are_round_moments_in_utc() -> None:
    assert texts(drawn(a_history()))[2:-1] == ["18:00", "27 Nov", "06:00", "12:00"]
    month = drawn(a_history(since=END - timedelta(days=30)), END - timedelta(days=30))
    assert texts(month) == [
        "28 Oct 16:20", "27 Nov 16:20 UTC", "29 Oct", "5 Nov", "12 Nov", "19 Nov", "26 Nov", "not known 100.0 %",
    ]  # fmt: skip


def test_each_state_has_a_pattern_of_its_own() -> None:
    svg = drawn(a_history((State.BOUND, 0)))
    tiles = [ET.tostring(pattern[1]) for pattern in svg.iter("pattern")]
    assert len(set(tiles)) == len(tiles) == len(State) + 1


def test_rows_tell_how_long() -> None:
    rows = timeline_rows(a_history((State.CONFIGURED, -60), (State.BOUND, 60)))
    assert [(row.state, row.lasted, row.end is None) for row in rows] == [
        (State.CONFIGURED, timedelta(hours=2), False), (State.BOUND, timedelta(hours=23), True),
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(State), st.floats(-100, 2000)), max_size=30),
    st.text(st.characters(), max_size=20),
)
def test_any_history_is_well_formed_and_stays_on_the_bar(steps: list[tuple[State, float]], reason: str) -> None:
    svg = drawn(a_history(*sorted(steps, key=lambda step: step[1]), reason=reason))
    for _, left, width in pieces(svg):
        assert 0 <= left <= 100
        assert 0 <= width <= 100.001 - left


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("number, ground", [(0, "#ffffff"), (1, "#13171f")])
@pytest.mark.parametrize("state", State)
def test_the_colour_of_each_state_stands_out(state: State, number: int, ground: str) -> None:
    """By 4.5 to 1 and more, in light and in dark: enough for text too."""
    colour = re.findall(rf"--st-{state.value}: (#[0-9a-f]{{6}})", (STATIC / "site.css").read_text())[number]
    bright, dim = sorted((luminance(colour), luminance(ground)), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= 4.5
