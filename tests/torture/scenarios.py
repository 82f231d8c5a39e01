"""What a daemon does while a call fails, and where it must have come once nothing fails any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from daemon.sandbox.world import DEMO_PASSWORD
from states import State
from tests.torture.rounds import SITE, Round

_SITE: Final = f"/api/v1/sites/{SITE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`act` answers whether it was taken; `reached` whether the site is where it should be."""

    name: str
    act: Callable[[Round], Awaitable[bool]]
    reached: Callable[[Round], bool]
    restarted: Callable[[Round], bool] | None = None
    """The same after another start, where that is something else."""
    prepared: str = "bound"
    """How it is found: with `nothing`, `stopped` after it was bound, or `bound`."""
    holds: bool = True
    """Whether a binding is held at the end."""


async def _start(one: Round) -> bool:
    if one.look():  # it runs, and is not where it should be
        return await _reload(one)
    await one.start()
    return one.look()


async def _rebind(one: Round) -> bool:
    status, _ = await one.ask("POST", f"{_SITE}/rebind")
    return status == 202


async def _unbind(one: Round) -> bool:
    status, _ = await one.ask("POST", f"{_SITE}/unbind")
    return status in {200, 202}


async def _reload(one: Round) -> bool:
    status, _ = await one.ask("POST", "/-/reload")
    return status == 200


async def _rename(one: Round) -> bool:
    one.configure({"site": {"display_name": "New"}})
    return await _reload(one)


async def _reroute(one: Round) -> bool:
    one.configure({"connection": {"no_proxy": "example.test"}})
    return await _reload(one)


async def _break(one: Round) -> bool:
    one.configure({"binding": {"verify_every": "never ever"}})
    status, _ = await one.ask("POST", "/-/reload")
    return status in {200, 422}


async def _write(one: Round) -> bool:
    status, view = await one.ask("GET", f"{_SITE}/config")
    if status != 200:
        return False
    options = {"site": {"display_name": "New"}, "binding": {"password": {"secret": DEMO_PASSWORD}}}
    headers = {"If-Match": view["etag"]}
    status, _ = await one.ask("PUT", f"{_SITE}/config", headers=headers, json={"options": options})
    return status == 200


def _bound(one: Round) -> bool:
    return one.calm(State.BOUND)


def _bound_anew(one: Round) -> bool:
    held = one.now.binding if one.now is not None else None
    return one.calm(State.BOUND) and held is not None and held.bind_id != f"{SITE}-1"


def _unbound(one: Round) -> bool:
    return one.calm(State.CONFIGURED) and one.now is not None and one.now.binding is None


def _renamed(one: Round) -> bool:
    if one.run is None or SITE not in one.run.daemon.configuration.sites:
        return False
    return one.calm(State.BOUND) and one.run.daemon.configuration.sites[SITE].display_name == "New"


def _rerouted(one: Round) -> bool:
    if one.run is None or SITE not in one.run.daemon.configuration.sites:
        return False
    return _bound_anew(one) and "example.test" in one.run.daemon.configuration.sites[SITE].connection.no_proxy


def _rejected(one: Round) -> bool:
    return one.calm(State.BOUND) and one.now is not None and bool(one.now.findings)


def _unconfigured(one: Round) -> bool:
    return one.calm(State.UNCONFIGURED)


def _written(one: Round) -> bool:
    with one.nth.aside():
        return _renamed(one) and "password = file:secrets/" in one.config.read_text()


SCENARIOS: Final = (
    Scenario(name="a first bind", prepared="nothing", act=_start, reached=_bound),
    Scenario(name="a start", prepared="stopped", act=_start, reached=_bound),
    Scenario(name="a rebind", act=_rebind, reached=_bound_anew),
    Scenario(name="a reload that applies", act=_rename, reached=_renamed),
    Scenario(name="a reload that binds anew", act=_reroute, reached=_rerouted),
    Scenario(name="a reload of a broken file", act=_break, reached=_rejected, restarted=_unconfigured),
    Scenario(name="a write of the configuration", act=_write, reached=_written),
    Scenario(name="an unbind", act=_unbind, reached=_unbound, holds=False),
)
