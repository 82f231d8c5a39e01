"""The lifecycle's picture is drawn from the table."""

from __future__ import annotations

import re

from states import TABLE, State, mermaid

ARROW = re.compile(r"    (\w+) --> (\w+): (.+)")


def arrows() -> list[tuple[str, str, list[str]]]:
    found = (ARROW.fullmatch(line) for line in mermaid().splitlines())
    return [(match[1], match[2], match[3].split(", ")) for match in found if match]


def test_the_diagram_begins_unconfigured() -> None:
    assert mermaid().splitlines()[:2] == ["stateDiagram-v2", "    [*] --> unconfigured"]


def test_the_diagram_has_one_arrow_a_pair_of_states() -> None:
    pairs = [(source, target) for source, target, _ in arrows()]
    assert len(pairs) == len(set(pairs)) == len(mermaid().splitlines()) - 2
    assert all(source != target for source, target in pairs)


def test_every_state_is_left_and_reached() -> None:
    every = {state.value for state in State}
    assert len(every) == 5
    assert {source for source, _, _ in arrows()} == every
    assert {target for _, target, _ in arrows()} == every


def test_the_arrows_say_what_the_table_says_and_say_it_once() -> None:
    drawn = [(s, t, trigger) for s, t, triggers in arrows() for trigger in triggers]
    told = {(r.source.value, r.target.value, r.trigger) for r in TABLE if r.source is not r.target}
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == told


def test_the_way_to_a_binding_reads_as_one_would_tell_it() -> None:
    drawn = {(s, t): triggers for s, t, triggers in arrows()}
    assert drawn["unconfigured", "configured"] == ["config_accepted"]
    assert drawn["configured", "binding"] == ["bind_requested"]
    assert drawn["binding", "bound"] == ["bind_succeeded"]
    assert drawn["binding", "failed"] == ["bind_failed"]
    assert drawn["failed", "binding"] == ["bind_requested", "retry_due"]
    assert drawn["bound", "failed"] == ["binding_lost"]
