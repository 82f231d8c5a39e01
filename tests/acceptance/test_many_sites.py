"""A thousand sites in one folder and one process: all are bound, paced, and a change of one is a matter of that one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from daemon.sandbox import small_world
from daemon.sandbox.keys import Limits
from tests.acceptance.calls import Api, Record
from tests.acceptance.installation import site_sections
from tests.acceptance.processes import Program, a_free_port, console_script, sitebind, until
from tests.acceptance.simulated import Simulated
from tests.running import write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SITES = 1000
PACE = 200
WITHIN = 150.0
"""Seconds for a thousand sign-ins of four calls each over TLS; five are the pace's, the rest is the machine's."""


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Simulated]:
    """A service that lets one user hold so many bindings, and one address make so many calls."""
    folder = tmp_path / "mimecast"
    folder.mkdir()
    world = small_world(keys_per_user=10 * SITES, limits=Limits(known=100_000, unknown=1_000_000))
    with Simulated(folder, world) as running:
        yield running


def names() -> list[str]:
    return [f"site-{number:04}" for number in range(SITES)]


def write_site(folder: Path, name: str, simulated: Simulated, *, display_name: str = "", **binding: str) -> None:
    sections = site_sections(simulated)
    sections["binding"] |= binding
    write(folder / f"{name}.ini", {"site": {"display_name": display_name or name}, **sections})


def settled(api: Api) -> bool:
    """Whether every site is bound, asked by the one number that says so."""
    return api.ask("GET", "/-/ready").status == 200


def ahead_of_pace(records: list[Record]) -> list[int]:
    """The binds that began before the pace allowed.

    Counted from the daemon's first record, since a busy machine delays a bind after its slot but never brings
    one forward: the n-th cannot begin before n slots have passed, less the one burst. What a single second may
    hold is shown where time is virtual, in tests/engine/test_herd.py.
    """
    at = [(r["event"], datetime.fromisoformat(r["at"])) for r in records]
    begin = min(when for _, when in at)
    starts = sorted(when for event, when in at if event == "bind_requested")
    return [number for number, when in enumerate(starts) if number > PACE * (1 + (when - begin).total_seconds())]


def test_a_thousand_sites_are_bound_paced_and_changed_one_by_one(tmp_path: Path, simulated: Simulated) -> None:
    folder, api = tmp_path / "sites", Api(a_free_port())
    folder.mkdir()
    write(folder / "daemon.ini", {"daemon": {
        "listen": f"127.0.0.1:{api.port}", "pace": str(PACE), "log_level": "warning",
    }})  # fmt: skip
    for name in names():
        write_site(folder, name, simulated)
    with Program([*console_script(), "run", "--config", folder]) as program:
        until(lambda: program.runs and answers(api), "it answers")
        until(lambda: settled(api), "all are ready", within=WITHIN)
        sites = api.sites()
        assert sorted(sites) == names()
        assert {site["state"] for site in sites.values()} == {"bound"}
        assert len({site["site_code"] for site in sites.values()}) == SITES
        records = api.audit()
        assert ahead_of_pace(records) == []
        assert [r["event"] for r in records].count("bind_requested") == SITES
        said = sitebind("status", "--config", folder)
        assert (said.code, said.out.startswith(f"{SITES} sites: {SITES} bound")) == (0, True)

        changes_touch_one_site_alone(folder, api, simulated)
        assert program.stop() == 0
        assert "Traceback" not in program.err
    assert sitebind("audit", "verify", "--config", folder).code == 0


def answers(api: Api) -> bool:
    try:
        return api.ask("GET", "/livez").status == 200
    except OSError:
        return False


def changes_touch_one_site_alone(folder: Path, api: Api, simulated: Simulated) -> None:
    """Add, change, break, and remove: each is looked at in the trail of what happened since."""
    since = api.audit_end()
    write_site(folder, "newcomer", simulated)
    api.reach("bound", site="newcomer")
    assert touched(api, since) == {"newcomer"}

    since = api.audit_end()
    write_site(folder, "site-0007", simulated, display_name="Seven")
    api.see(lambda site: site["display_name"] == "Seven", "renamed", site="site-0007")
    write_site(folder, "site-0008", simulated, email="SYNC.ADMIN@example.test")
    api.see(lambda site: site["state"] == "bound" and len(api.binds("site-0008")) == 2, "again", site="site-0008")
    assert touched(api, since) == {"site-0007", "site-0008"}
    assert len(api.binds("site-0007")) == 1

    since = api.audit_end()
    (folder / "site-0009.ini").write_text("[bindign]\n")
    site = api.see(lambda site: bool(site["problems"]), "its typo is told", site="site-0009")
    assert "site-0009.ini:1:" in site["problems"][0]["text"]
    assert site["state"] == "bound"
    (folder / "site-0010.ini").unlink()
    api.reach("unconfigured", site="site-0010")
    assert touched(api, since) == {"site-0009", "site-0010"}
    states = [site["state"] for site in api.sites().values()]
    assert (len(states), states.count("bound"), states.count("unconfigured")) == (SITES + 1, SITES, 1)


def touched(api: Api, since: int) -> set[str]:
    """Whose records came since then. Checks of held bindings are the clock's doing, not a change's."""
    return {record["site"] for record in api.audit(after=since) if record["event"] != "binding_verified"}
