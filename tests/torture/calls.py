"""The n-th call fails, for every call for a file, to the database and over the network: n = 1, 2, … until none does.

After each the same is asked: did anything crash, did anything happen without its record, does the chain verify, is
every key at the service known, and does the site come where it should once nothing fails any more?
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from daemon.providers.http import HttpClients, Limits
from daemon.sandbox import Sandbox
from states import State
from tests.clock import ManualClock
from tests.running import Options, sandboxed
from tests.torture import database_calls
from tests.torture.figures import Figure
from tests.torture.file_calls import FileCalls
from tests.torture.network_calls import Network, Way
from tests.torture.nth import Manner, Nth
from tests.torture.rounds import SITE, Round
from tests.torture.scenarios import SCENARIOS, Scenario

_WHILE_IT_FAILS = 30.0
_AFTERWARDS = 900.0
_TRIES = 4
_NO_ANSWER = ("connection-lost", "timed-out", "answer-malformed")
_AT_ONCE = 4
"""Layers that are worked on side by side: half of the time goes into waiting for the disk."""
_SILENCE = Limits(connect=0.5, total=0.5)
"""Seconds of real time, for sockets know no other, after which silence is a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Where calls fail, and how."""

    name: str
    how: str
    manner: Manner = Manner.ONCE
    way: Way | None = None
    between: Callable[[Round], AbstractContextManager[None]] = lambda _one: nullcontext()
    scenarios: tuple[Scenario, ...] = SCENARIOS


def _files(one: Round) -> AbstractContextManager[None]:
    return FileCalls(one.folder, one.nth, one.witness.saw).between()


def _database(one: Round) -> AbstractContextManager[None]:
    return database_calls.between(one.nth)


_CALLING = tuple(one for one in SCENARIOS if one.name not in {"a reload that applies", "a reload of a broken file"})
"""What needs the service."""

LAYERS: Final = (
    *(Layer(name="files", how=manner.value, manner=manner, between=_files) for manner in Manner),
    *(Layer(name="database", how=manner.value, manner=manner, between=_database) for manner in Manner),
    *(Layer(name="network", how=way.value, way=way, scenarios=_CALLING) for way in Way),
    Layer(
        name="network", how=f"{Way.REFUSED.value}, also later", manner=Manner.ON, way=Way.REFUSED, scenarios=_CALLING
    ),
)


@dataclass(slots=True)
class Tally:
    """What came of the rounds of one layer."""

    calls: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    healed: Counter[str] = field(default_factory=Counter)
    unknown_keys: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """What all rounds share."""

    folder: Path
    sandbox: Sandbox
    clock: ManualClock
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    @asynccontextmanager
    async def round(self, layer: Layer) -> AsyncIterator[Round]:
        """A site of its own, with the layer between."""
        nth = Nth()
        folder = self.folder / f"round-{next(self.numbers)}"
        async with Network(self.sandbox.ca_file.parent, nth) as network:
            network.way = layer.way or Way.REFUSED
            one = Round(folder, self.sandbox, self.clock, nth=nth, options=_options(layer, network))
            one.lay_out()
            with layer.between(one):
                async with one:
                    yield one


def _options(layer: Layer, network: Network) -> Options:
    if layer.way is None:
        return {}
    return {"connection": {"use_proxy": "yes", "proxy_host": "127.0.0.1", "proxy_port": str(network.port)}}


@asynccontextmanager
async def field_of(folder: Path) -> AsyncIterator[Field]:
    """One service for all rounds."""
    clock = ManualClock()
    async with sandboxed(folder, clock) as sandbox:
        yield Field(folder, sandbox, clock)


async def struck(place: Field, layer: Layer, scenario: Scenario, *, at: int, tally: Tally) -> bool:
    """One round: call `at` fails. False when there were not so many. Raises AssertionError for a broken promise."""
    async with place.round(layer) as one:
        await _prepare(one, scenario)
        one.nth.arm(at, layer.manner)
        await _limits(one, layer)
        taken = await scenario.act(one)
        await one.settle(lambda: scenario.reached(one), seconds=_WHILE_IT_FAILS, at_least=0.5)
        one.nth.mend()
        await _limits(one, None)
        await _come_there(one, scenario, taken=taken)
        await _examine(one, scenario, layer, tally)
        hits = one.nth.struck
        where = f"{layer.name}, {scenario.name}, call {at} ({', '.join(hits[:3])}) {layer.how}"
        assert not one.witness.violations, f"{where}: " + "; ".join(one.witness.violations)
        tally.rounds += bool(hits)
        tally.healed[one.healed] += bool(hits)
        return bool(hits)


async def _prepare(one: Round, scenario: Scenario) -> None:
    if scenario.prepared == "nothing":
        return
    await one.start()
    assert await one.settle(lambda: one.calm(State.BOUND), seconds=_AFTERWARDS)
    if scenario.prepared == "stopped":
        await one.stop()


async def _limits(one: Round, layer: Layer | None) -> None:
    """Silence is found out after a time of the sockets' own."""
    if one.run is not None:
        clients = one.run.daemon.supervisor._clouds._clients  # type: ignore[attr-defined]
        assert isinstance(clients, HttpClients)
        clients.limits = _SILENCE if layer is not None and layer.way is Way.SILENT else Limits()


async def _come_there(one: Round, scenario: Scenario, *, taken: bool) -> None:
    """Nothing fails any more: by itself, or when it is started or asked again."""
    for number in range(_TRIES):
        if not one.look():
            one.healed = "after a start"
            await one.start()
        elif number or not taken:
            one.healed = "when asked again"
            taken = await scenario.act(one)
        if await one.settle(lambda: scenario.reached(one), seconds=_AFTERWARDS):
            return
    one.witness.blame(f"the site never came where it should: {one.left()}; {one.now}")


async def _examine(one: Round, scenario: Scenario, layer: Layer, tally: Tally) -> None:
    """What must hold, before and after another start."""
    await _answers(one)
    await one.stop()
    await one.start()
    reached = scenario.restarted or scenario.reached
    if not await one.settle(lambda: reached(one), seconds=_AFTERWARDS):
        one.witness.blame(f"after another start the site is not where it was: {one.now}")
        return
    await _answers(one)
    await _keys_are_known(one, scenario, layer, tally)
    _binds_are_closed(one)


async def _answers(one: Round) -> None:
    for path in ("/-/healthy", f"/api/v1/sites/{SITE}"):
        status, answer = await one.ask("GET", path)
        if status != 200:
            one.witness.blame(f"{path} answers {status}: {answer}")
    if one.look() and one.run is not None:
        report = await one.run.daemon.journal.verify()
        if not report.intact:
            one.witness.blame(f"the chain is broken: {report.reason}")


async def _keys_are_known(one: Round, scenario: Scenario, layer: Layer, tally: Tally) -> None:
    """Every key at the service is in the vault, and nothing else is."""
    assert one.run is not None
    held = {name: keys.values["access_key"].reveal() for name, keys in (await one.held_keys()).items()}
    live = {key.access_key for key in one.run.sandbox.world.keys}
    wanted = {one.now.binding.bind_id} if one.now is not None and one.now.binding is not None else set()
    if set(held) != wanted or bool(wanted) is not scenario.holds:
        one.witness.blame(f"the vault holds {sorted(held)}, in use is {sorted(wanted)}")
    if not set(held.values()) <= live:
        one.witness.blame("the held keys are not valid at the service")
    unknown = live - set(held.values())
    # Whoever never got the answer to a sign-in knows no key: only the service does, and the report says why.
    unanswered = {
        name
        for name, fault in one.witness.stored("SELECT id, fault FROM binds")
        if layer.way in {Way.LOST, Way.HALF, Way.SILENT} and fault in _NO_ANSWER
    }
    of_binds = {one.witness.origins[key].bind_id for key in unknown}
    tally.unknown_keys += len(of_binds & unanswered)
    if of_binds - unanswered:
        one.witness.blame(f"nobody knows the keys of {sorted(of_binds - unanswered)}")


def _binds_are_closed(one: Round) -> None:
    opened = one.witness.stored("SELECT id FROM binds WHERE state = 'open'")
    if opened:
        one.witness.blame(f"binds are left open: {opened}")
    twice = one.witness.stored(
        "SELECT json_extract(detail, '$.bind_id') AS bind, count(*) FROM audit "
        "WHERE event IN ('bind_succeeded', 'bind_failed') GROUP BY bind HAVING count(*) > 1"
    )
    if twice:
        one.witness.blame(f"the end of a bind is recorded more than once: {twice}")


Numbers = Callable[[], Iterator[int]]


def each() -> Iterator[int]:
    """The long form: 1, 2, 3 and so on."""
    return itertools.count(1)


def fewer() -> Iterator[int]:
    """The bounded form: 1, 6, 36 and so on."""
    return (6**power for power in itertools.count())


async def until_none_fails(
    place: Field, layer: Layer, scenario: Scenario, *, tally: Tally, numbers: Numbers = each
) -> None:
    """Let the calls of these numbers fail until nothing failed; that round must have gone well, too."""
    for at in numbers():
        if not await struck(place, layer, scenario, at=at, tally=tally):
            return
        tally.calls[scenario.name] = at


async def counted(folder: Path, layer: Layer, *, numbers: Numbers = each) -> Tally:
    """All scenarios of a layer."""
    tally = Tally()
    async with field_of(folder) as place:
        for scenario in layer.scenarios:
            await until_none_fails(place, layer, scenario, tally=tally, numbers=numbers)
            sys.stderr.write(f"{layer.name}, {layer.how}: {scenario.name}: {tally.calls.get(scenario.name, 0)} calls\n")
    return tally


def bounded(number: int) -> Layer:
    """The layer with one scenario, another one for each."""
    layer = LAYERS[number]
    # A start and an unbind go over the network once at the most.
    among = [one for one in layer.scenarios if layer.way is None or one.name not in {"a start", "an unbind"}]
    return replace(layer, scenarios=(among[number % len(among)],))


def in_a_process(number: int) -> Tally:
    """The long form of a layer, in a process that has one loop and one service."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(counted(Path(folder), LAYERS[number]))


def figures(*, long: bool) -> Iterator[Figure]:
    """One line for each layer. Raises AssertionError at the first broken promise."""
    if long:
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(_AT_ONCE, mp_context=fresh) as pool:
            yield from map(_figure, LAYERS, pool.map(in_a_process, range(len(LAYERS))))
        return
    for number in range(len(LAYERS)):
        with tempfile.TemporaryDirectory() as folder:
            layer = bounded(number)
            yield _figure(layer, asyncio.run(counted(Path(folder), layer, numbers=fewer)))


def _figure(layer: Layer, tally: Tally) -> Figure:
    calls = ", ".join(f"{number} in {name}" for name, number in tally.calls.items())
    found = ["no crash, nothing without its record, chain intact, no key unknown"]
    if tally.unknown_keys:
        found = [
            "no crash, nothing without its record, chain intact",
            f"in {tally.unknown_keys} a key is known to the service alone, for its answer never came",
        ]
    found += [f"{number} came right {how}" for how, number in sorted(tally.healed.items()) if number]
    return Figure(what=f"{layer.name}: {layer.how}", amount=f"{tally.rounds} rounds: {calls}", found="; ".join(found))
