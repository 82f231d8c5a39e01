"""A clock that jumps under a running daemon, both ways, by libfaketime. As on a real machine, only the wall jumps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from tests.acceptance.processes import run, until
from tests.acceptance.simulated import Simulated
from tests.torture.estate import PATIENCE, SITES, Estate, world
from tests.torture.figures import Figure
from tests.torture.left import left_in
from tests.torture.load import FEW, Load, kept

JUMPS: Final = tuple(timedelta(hours=hours) for hours in (1, -1, 5, -30, 24 * 400, -24 * 3650, 24 * 20, -3))
"""Where the wall clock stands, as seen from the real time: an hour off, another zone, a dead battery, a wrong year."""

NOTICED_AFTER: Final = 1
"""Seconds until a process reads its clock's file again. At once would be once per wait of a thread: 17 times slower."""

SECOND: Final = timedelta(seconds=1)
ASKED, *LEFT_ALONE = SITES


def figures(*, long: bool) -> Iterator[Figure]:
    """Jump so often; after every other jump it is killed and started again while the clock is wrong."""
    jumps = JUMPS * 2 if long else JUMPS[3:5]
    with world() as simulated:
        promises = jumped(simulated, jumps)
    yield Figure(
        what="the wall clock jumps, by an hour to ten years, forwards and back, by libfaketime",
        amount=f"{len(jumps)} jumps, {len(jumps) // 2} restarts at the wrong time",
        found=f"0 of {promises} acknowledged calls lost; no site did anything for a jump, no binding dropped, records "
        "dated by the clock as it stood, chain intact, all well once the time was right",
    )


class Wall:
    """The wall clock of processes started with `environment`; `jump` moves it for all of them at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.shift = timedelta(0)
        self.jump(timedelta(0))

    @property
    def environment(self) -> dict[str, str]:
        listed = run(["dpkg", "-L", "libfaketime"])
        found = [line for line in listed.out.splitlines() if line.endswith("/libfaketimeMT.so.1")]
        assert found, f"jumping clocks need Debian's libfaketime: {listed.err}"
        return {
            "LD_PRELOAD": found[0],
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(NOTICED_AFTER),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def jump(self, shift: timedelta) -> None:
        """Stand so far from the real time; who is running already finds out within `NOTICED_AFTER`."""
        self.shift = shift
        draft = self._file.with_name("draft")
        draft.write_text(f"{shift.total_seconds():+.0f}\n", encoding="ascii")
        draft.replace(self._file)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def jump_under(self, estate: Estate, shift: timedelta) -> None:
        """Jump, and wait until the daemon dates its answers so."""
        self.jump(shift)
        until(lambda: abs(_date(estate) - self.now()) <= 2 * SECOND, f"the daemon's clock jumps by {shift}")


def _date(estate: Estate) -> datetime:
    return parsedate_to_datetime(estate.api.ask("GET", "/-/healthy").headers["date"])


def jumped(simulated: Simulated, jumps: Sequence[timedelta]) -> int:
    """How many promises were kept."""
    wall, estate = Wall(simulated.folder / "wall"), Estate.new(simulated.folder / "clocks", simulated)
    kept_promises = 0
    for number, shift in enumerate(jumps):
        wall.jump(timedelta(0))
        with estate.start(env=wall.environment) as program:
            healed(estate)
            quiet(estate, wall, shift)
            with Load(estate, seed=number, beyond=False) as load:
                load.promised(FEW)
                wall.jump_under(estate, timedelta(0))
                load.promised(FEW)
            wall.jump_under(estate, shift)
            program.kill()
        assert "Traceback" not in program.err, program.err
        kept_promises += kept(load.promises, left_in(estate.database))
        if number % 2:
            started_at_the_wrong_time(estate, wall)
        estate.verify()
    return kept_promises


def quiet(estate: Estate, wall: Wall, shift: timedelta) -> None:
    """A jump is no reason to do anything, whoever is asked for a bind meanwhile."""
    end = estate.api.audit_end()
    wall.jump_under(estate, shift)
    begin, jumped_at = wall.now(), estate.api.audit_end()
    answer = estate.rebind(ASKED)
    assert answer.status in (200, 202), answer
    records = estate.api.audit(after=end)
    # The keys that the last bind replaced are revoked in their own time.
    moved = [one for one in records if one["site"] in LEFT_ALONE and one["event"] != "keys_revoked"]
    assert not moved, f"a jump by {shift} moved sites that nobody asked: {moved}"
    later = [record for record in records if record["seq"] > jumped_at]
    misdated = [one for one in later if not begin - SECOND <= datetime.fromisoformat(one["at"]) <= wall.now()]
    assert later, "the bind that was asked for left no record"
    assert not misdated, f"the clock stood at {begin}: {misdated}"
    unheld = [site for site, now in estate.api.sites().items() if now["binding"] is None]
    assert not unheld, f"a jump by {shift} cost the bindings of {unheld}"
    assert estate.api.ask("GET", "/-/healthy").status == 200


def started_at_the_wrong_time(estate: Estate, wall: Wall) -> None:
    """It runs, and holds what it held; whether it is ready is for the expiry of its keys to say."""
    with estate.begin(env=wall.environment) as program:
        program.line(rf"listening on {estate.api.url}", within=PATIENCE)
        unheld = [site for site, now in estate.api.sites().items() if now["binding"] is None]
        assert not unheld, f"{unheld} hold nothing at {wall.now()}"
        assert program.stop() == 0
    assert "Traceback" not in program.err, program.err


def healed(estate: Estate) -> None:
    """The time is right: a bind succeeds for every site."""
    for site in estate.sites:
        assert estate.rebind(site).status in (200, 202)
        estate.api.reach("bound", site=site)
