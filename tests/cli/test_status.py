"""`sitebind status`: the lines for a person, JSON for a program, and the exit code that says it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.cli.status import for_a_person, worst
from daemon.cli.terminal import Palette, distance, moment
from tests.cli.shapes import a_problem, a_site

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
Ask = Callable[..., Any]


class Terminal:
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines(*sites: dict[str, Any], palette: Palette | None = None) -> str:
    return "\n".join(for_a_person(list(sites), now=NOW, palette=palette or Palette()))


@pytest.mark.parametrize(
    "states,code",
    [
        (["bound"], 0), (["unconfigured"], 3), (["configured"], 3), (["binding"], 3), (["failed"], 5), ([], 3),
        (["bound", "bound"], 0), (["bound", "binding"], 3), (["bound", "failed", "configured"], 5),
    ],
)  # fmt: skip
def test_the_exit_code_is_that_of_the_worst_site(states: list[str], code: int) -> None:
    assert worst([a_site(state=state) for state in states]) == code


async def test_the_code_is_the_process_exit_code(api: Any, ask: Ask) -> None:
    api.on("GET /api/v1/sites", {"sites": [a_site(), a_site(id="other", state="failed")]})
    assert (await ask("status", "--url", api.url)).code == 5


async def test_one_site_can_be_asked_for(api: Any, ask: Ask) -> None:
    api.on("GET /api/v1/sites/other", a_site(id="other", state="binding"))
    said = await ask("status", "other", "--url", api.url)
    assert (said.code, said.out.startswith("other: binding since")) == (3, True)


async def test_json_is_what_the_api_said_with_the_same_code(api: Any, ask: Ask) -> None:
    body = {"sites": [a_site(state="failed")]}
    api.on("GET /api/v1/sites", body)
    said = await ask("status", "--json", "--url", api.url)
    assert (said.code, json.loads(said.out)) == (5, body)


def test_a_bound_site_is_shown_whole() -> None:
    assert lines(a_site()).splitlines() == [
        "default: bound since 2026-11-23 11:50:00 UTC (10 min ago)",
        "  reason     bind b-1 succeeded",
        "  company    Example Ltd, region us",
        "  site       Head office, code SITE-0001",
        "  binding    account CUSA00A001 by cloud, bound 2026-11-23 11:50:00 UTC (10 min ago), verified",
        "             2026-11-23 11:59:00 UTC (60 s ago), expires 2026-11-23 23:50:00 UTC (in 12 h)",
    ]


def test_a_failed_site_shows_the_problem_the_remedy_the_retry_and_that_no_binding_is_held() -> None:
    said = lines(a_site(state="failed", binding=None, retry_at="2026-11-23T12:00:30.000Z", problems=[a_problem()]))
    assert "binding    none is held" in said
    assert "retry      2026-11-23 12:00:30 UTC (in 30 s)" in said
    assert "  error      The service refused the password [credentials-refused" in said
    assert "             → Check the password, then rebind." in said


def test_a_failed_site_with_a_held_binding_shows_both() -> None:
    said = lines(a_site(state="failed", problems=[a_problem(severity="warning")]))
    assert "default: failed" in said
    assert "account CUSA00A001" in said
    assert "  warning    " in said


def test_no_line_is_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    long = a_problem(text="word " * 60, remedy="remedy " * 40)
    said = lines(a_site(problems=[long], reason="because " * 30))
    assert max(map(len, said.splitlines())) <= 60


def test_several_sites_are_apart() -> None:
    assert "\n\nb: bound" in lines(a_site(id="a"), a_site(id="b"))


def test_more_than_twenty_sites_become_a_count_and_the_ones_in_need() -> None:
    sites = [a_site(id=f"site-{n:03}") for n in range(30)]
    sites[7] = a_site(id="site-007", state="failed", problems=[a_problem()])
    said = lines(*sites)
    assert said.startswith("30 sites: 29 bound, 1 failed")
    assert "site-007  failed        The service refused the password" in said
    assert "site-008" not in said


def test_thousands_in_need_do_not_flood_the_terminal() -> None:
    said = lines(*(a_site(id=f"s{n}", state="configured") for n in range(1000)))
    assert len(said.splitlines()) < 120
    assert "and 900 more" in said


def test_many_sites_without_a_problem_are_one_line_and_a_hint() -> None:
    assert len(lines(*(a_site(id=f"s{n}") for n in range(50))).splitlines()) == 2


def test_colour_only_on_a_terminal_and_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    stream: Any = Terminal()
    assert "\x1b[32mbound\x1b[0m" in lines(a_site(), palette=Palette(stream))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in lines(a_site(), palette=Palette(stream))
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b" not in lines(a_site())


def test_a_company_name_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in lines(a_site(company="Evil\x1b]0;owned\x07 Ltd", reason="a\x1b[2Jb"))


def test_no_site_at_all_is_said() -> None:
    assert "No site is configured" in lines()


def test_moments_that_are_none_are_shown_as_they_are() -> None:
    assert moment(None, now=NOW) == "never"
    assert moment("yesterday", now=NOW) == "yesterday"
    assert moment("2026-11-23T12:00:00", now=NOW) == "2026-11-23T12:00:00"
    assert distance(NOW, now=NOW) == "now"
