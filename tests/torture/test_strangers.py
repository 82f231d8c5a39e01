"""What strangers may send, in its bounded form: to the API, to the socket under it, and to each parser."""

from __future__ import annotations

import pytest

from daemon.web.openapi import document
from tests.torture import api, parsers, rude
from tests.torture.fuzz.every import EVERY, TARGETS
from tests.torture.fuzz.target import Target


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_request_that_the_description_allows_or_forbids_meets_a_5xx_or_an_answer_that_is_not_in_it() -> None:
    """By schemathesis, in the name of an administrator, a reader and nobody, with streams of events apart."""
    asked, streams = api.figures(long=False)
    assert int(asked.amount.replace(",", "")) >= api.BOUNDED
    assert "2xx" in asked.found
    assert "200" in streams.found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_callers_without_manners_harm_neither_the_daemon_nor_others() -> None:
    """Slowloris, what is too large, another's Host and Origin, forms that are not ours, and nonsense."""
    assert len(list(rude.figures(long=False))) == 6


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_parser_crashes_or_hangs() -> None:
    """By atheris, which sees what its bytes reach."""
    [figure] = parsers.figures(long=False)
    assert figure.amount == f"{parsers.BOUNDED:,} runs"


@pytest.mark.parametrize("target", [*EVERY, *TARGETS], ids=lambda target: target.name)
def test_a_target_takes_its_seeds_and_things_that_are_nothing(target: Target) -> None:
    for data in (*target.seeds, b"", b"\0", b"\n", b"\xff" * 64):
        target(data)


def test_a_target_lets_through_what_is_not_documented() -> None:
    broken = Target(name="broken", what="", meets=lambda data: data[7], may_raise=(ValueError,))
    with pytest.raises(IndexError):
        broken(b"")


def test_what_is_asked_apart_is_in_the_description() -> None:
    """A path that is renamed would be asked by nobody, and a rule about it would hold for nothing."""
    assert {api.STREAMS, *api.READINESS} <= set(document()["paths"])
