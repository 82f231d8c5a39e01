"""The whole engine over real SQLite, driven through histories of changes, troubles, stops and kills that nobody wrote.

At every kill, every stop and at the end the same is asked: was a binding lost, a key left over, a call made that no
record ordered, did two sign-ins cross, is the chain whole? And in the end: what heals has healed by itself, and what
does not asks for a human and says what to do.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from daemon.engine.operations import RequestRefused
from daemon.sandbox.world import DEMO_EMAIL
from states import Fault, Snapshot, State, problems
from states.memory import recall
from tests.lives import OPERATOR, Life, SettledClock, settle, stored, without_threads
from tests.running import ini
from tests.service import PASSWORD, REFUSED, Call, Service

pytestmark = pytest.mark.slow

EXAMPLES = 70
LONGEST = 24

SITE = "default"
HEALING = [fault for fault in Fault if fault.heals_by_itself and fault is not Fault.KEYS_NOT_STORED]
NOT_HEALING = [
    Fault.CERTIFICATE_UNTRUSTED,
    Fault.PROXY_AUTHENTICATION,
    Fault.CREDENTIALS_REFUSED,
    Fault.ACCOUNT_LOCKED,
    Fault.REQUEST_REFUSED,
    Fault.PERMISSION_MISSING,
]
OPENINGS = {"bind_requested", "retry_due"}
REFRESH_ORDERS = {"binding_verified", "verification_refused"}

steps = st.one_of(
    st.tuples(st.just("configure"), st.sampled_from(["right", "wrong", "other", "lesser", "manual", "bad", "gone"])),
    st.tuples(st.just("rebind"), st.none()),
    st.tuples(st.just("unbind"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 1.2, 12.0, 40.0, 400.0, 1000.0, 7000.0])),
    st.tuples(st.just("trouble"), st.sampled_from([*HEALING[:6], *NOT_HEALING])),
    st.tuples(st.just("heal"), st.none()),
    st.tuples(st.just("slow"), st.sampled_from([0.0, 0.5, 5.0])),
    st.tuples(st.just("role"), st.booleans()),
    st.tuples(st.just("lose revocations"), st.booleans()),
    st.tuples(st.just("end keys"), st.none()),
    st.tuples(st.just("kill"), st.integers(0, 40)),
    st.tuples(st.just("restart"), st.none()),
)


def options(name: str) -> dict[str, dict[str, str]]:
    """A configuration with what `name` makes of it."""
    return {
        "daemon": {"log_level": "error"},
        "account": {"smtp_address": DEMO_EMAIL},
        "site": {"display_name": "another name" if name == "lesser" else "a name"},
        "binding": {
            "email": "other@example.test" if name == "other" else DEMO_EMAIL,
            "password": f"literal:{REFUSED if name == 'wrong' else PASSWORD}",
            "application_id": "id",
            "application_key": "literal:key",
            "automatic": "no" if name == "manual" else "yes",
        },
    }


class History:
    """One installation over all its processes, and what is demanded of it."""

    def __init__(self, folder: Path, lifetime: timedelta | None) -> None:
        self.folder = folder
        self.clock = SettledClock()
        self.service = Service(self.clock, lifetime=lifetime, watch=self.heard)
        self.config = folder / "config" / "config.ini"
        self.config.parent.mkdir()
        self.chance = random.Random(7).random
        self.names: dict[str, set[str]] = {}
        self.unheard: set[str] = set()
        self.kept: set[str] = set()
        self.unordered: list[AssertionError] = []
        self.asked: asyncio.Task[None] | None = None
        self.signed_in: set[str] = set()
        self.lives = 0
        self.life: Life
        self.data: Path

    # What is done to it.

    async def begin(self, data: Path | None = None) -> None:
        if data is None:
            data = self.folder / f"data{self.lives}"
            data.mkdir()
        self.lives, self.data = self.lives + 1, data
        self.life = await Life.begin(data, self.config, clock=self.clock, service=self.service, chance=self.chance)

    async def do(self, what: str, how: Any) -> None:
        service = self.service
        match what:
            case "wait":
                await self.clock.advance(how)
            case "trouble":
                service.down = how
            case "slow":
                service.slow = how
            case "role":
                service.refuses_role = how
            case "lose revocations":
                service.loses_revocations = how
            case "end keys":
                service.end_all()
            case "heal":
                self.heal()
            case _:
                await self.happen(what, how)

    async def happen(self, what: str, how: Any) -> None:
        """What is done to the daemon, and not to the world around it."""
        match what:
            case "configure":
                await self.configure(how)
            case "rebind":
                await self.rebind("asked")
            case "unbind":
                await self.unbind(local_only=how)
            case "kill":
                await self.kill(after_turns=how)
            case "restart":
                await self.restart()
            case _:
                raise AssertionError(what)

    async def rebind(self, reason: str) -> None:
        await self.ask(lambda: self.life.daemon.front.rebind(SITE, caller=OPERATOR, reason=reason))

    async def configure(self, name: str) -> None:
        if name == "gone":
            self.config.unlink(missing_ok=True)
        else:
            fresh = self.config.with_suffix(".new")
            fresh.write_text("[bindign]\n" if name == "bad" else ini(options(name)))
            fresh.chmod(0o600)
            fresh.rename(self.config)
        # What comes next meets it halfway: a kill, or a request.
        self.asked = asyncio.create_task(self._reload(), name="reload asked for")
        for _ in range(8):
            await asyncio.sleep(0)

    async def _reload(self) -> None:
        await self.life.daemon.front.reload(caller=OPERATOR)

    async def unbind(self, *, local_only: bool) -> None:
        if local_only and SITE in self.life.daemon.driver.snapshots:
            self.kept |= self.held(self.life.now(SITE))  # the operator was told that these stay valid
        unbind = self.life.daemon.front.unbind
        await self.ask(lambda: unbind(SITE, caller=OPERATOR, reason="asked", local_only=local_only))

    async def ask(self, request: Callable[[], Any]) -> None:
        """Whatever the answer: refusals are answers too."""
        try:
            await request()
        except RequestRefused as refused:
            assert refused.code in {"not-configured", "bind-in-progress", "nothing-to-unbind"}  # noqa: PT017

    def heal(self) -> None:
        service = self.service
        service.down, service.refuses_role, service.loses_revocations, service.slow = None, False, False, 0.0

    async def kill(self, *, after_turns: int) -> None:
        for _ in range(after_turns):
            await asyncio.sleep(0)
        acknowledged = self.life.daemon.journal._writing().head.seq
        issued = set(self.service.valid)
        left = self.folder / f"data{self.lives}"
        await self.life.kill(left)
        assert set(self.service.valid) == issued, "the dead have called"
        # Keys whose answer came, and that no file holds yet, nobody can know of: the bind was open, and is told.
        known = {name for (name,) in stored(left, "SELECT bind_id FROM vault")}
        self.unheard |= {key for key in issued if not self.names[key] & known}
        assert stored(left, "SELECT max(seq) FROM audit")[0][0] >= acknowledged
        self.not_lost(left)
        await self.begin(left)

    async def restart(self) -> None:
        await self.life.end()
        self.not_lost(self.data)
        await self.begin(self.life.folder)

    # What is demanded of it.

    def heard(self, call: Call) -> None:
        """The engine catches what fails in its tasks, as it must; so it is kept, and told by `not_lost`."""
        try:
            self.ordered(call)
        except AssertionError as error:
            self.unordered.append(error)

    def ordered(self, call: Call) -> None:
        """No unaudited action: what signs in or revokes was ordered by a record that is durable already."""
        act, _, bind_id = call.task.rpartition(" ")
        if call.name == "issued":
            self.names.setdefault(call.identity, set()).add(bind_id)
        elif call.name == "authenticate":
            events = REFRESH_ORDERS if act == "refresh" else OPENINGS
            assert self.records(events, bind_id), call
            if act == "sign-in":
                assert bind_id not in self.signed_in, "one record, two sign-ins"
                self.signed_in.add(bind_id)
            else:
                assert act == "refresh", call
        elif call.name == "revoke":
            now = self.durable(self.data)
            assert now is not None
            assert bind_id in self.names[call.identity], call
            if act == "unbind":
                assert self.records({"unbind_requested"}), call
                assert now.holds(bind_id), call
            else:
                assert act == "revoke", call
                assert bind_id in now.revoke_pending, call

    def records(self, events: set[str], bind_id: str = "") -> bool:
        found = stored(self.data, "SELECT event, detail FROM audit")
        return any(e in events and (not bind_id or json.loads(d).get("bind_id") == bind_id) for e, d in found)

    def durable(self, folder: Path) -> Snapshot | None:
        found = stored(folder, "SELECT document FROM snapshots")
        return recall(json.loads(found[0][0])) if found else None

    def not_lost(self, folder: Path) -> None:
        """A binding that is recorded as held has its keys here, and the service accepts them unless it ended them."""
        for error in self.unordered:
            raise error
        assert self.service.most_signing_in <= 1, "two sign-ins of one site at once"
        now = self.durable(folder)
        if now is None or now.binding is None:
            return
        known = {name for (name,) in stored(folder, "SELECT bind_id FROM vault")}
        if now.unbinding:
            return
        held = now.binding.bind_id
        assert held in known, "the vault does not hold what the snapshot holds"
        identities = {key for key, names in self.names.items() if held in names}
        asked = {
            call.identity for call in self.service.calls if call.name == "revoke" and call.task == f"unbind {held}"
        }
        assert identities & (set(self.service.valid) | self.service.ended_here | asked), "its keys are gone there"

    async def settled(self) -> Snapshot:
        """The service is well for hours; what the site has become."""
        self.heal()
        await self.clock.advance(3 * 3600)
        return self.life.now(SITE)

    def recovered_or_asks(self, now: Snapshot) -> None:
        assert now.open is None
        assert not now.unbinding
        assert not now.revoke_pending
        if now.state is State.FAILED:
            assert now.trouble is not None
            heals = now.trouble.fault.heals_by_itself and now.automatic_binding_applies
            assert not heals, "a trouble that heals was not recovered from"
            assert now.retry is None, "a human was asked for, and it is tried again all the same"
            told = [problem.remedy for problem in problems(now, at=self.clock.now())]
            assert now.trouble.fault.remedy in told
        elif now.state is State.CONFIGURED:
            assert not now.automatic_binding_applies, "it could sign in, and does not"
        elif now.state is State.UNCONFIGURED:
            assert now.terms is None
        else:
            assert now.state is State.BOUND
            assert now.binding is not None
            assert now.binding_matches
            assert self.held(now) & self.usable(), "bound with keys that the service does not accept"

    def held(self, now: Snapshot) -> set[str]:
        return {key for key, names in self.names.items() if now.binding and now.binding.bind_id in names}

    def usable(self) -> set[str]:
        return {key for key in self.service.valid if self.service.accepts(key)}

    async def nothing_left_over(self, now: Snapshot) -> None:
        """The keys that are valid at the service are those that are held, and those that nobody here could end."""
        assert set(self.service.valid) <= self.held(now) | self.kept | self.unheard
        held = {now.binding.bind_id} if now.binding else set()
        assert set(await self.life.daemon.vault.ids()) == held

    async def finish(self) -> None:
        now = await self.settled()
        self.recovered_or_asks(now)
        await self.nothing_left_over(now)
        # The human comes.
        await self.configure("right")
        await settle()
        await self.rebind("the human")
        now = await self.settled()
        assert now.state is State.BOUND
        self.recovered_or_asks(now)
        await self.nothing_left_over(now)
        report = await self.life.daemon.journal.verify()
        assert report.intact, report
        await self.life.end()
        self.not_lost(self.data)


async def lived(plan: list[tuple[str, Any]], lifetime: timedelta | None) -> None:
    with tempfile.TemporaryDirectory() as folder, without_threads():
        history = History(Path(folder), lifetime)
        history.config.write_text(ini(options("right")))
        history.config.chmod(0o600)
        await history.begin()
        try:
            for what, how in plan:
                await history.do(what, how)
            await history.finish()
        finally:
            if not history.life.stop.is_set():  # a history that fails must not leave a daemon behind
                history.life.connection.cut()
                await history.life.end()


CANCELLED_IN_ITS_SIGN_IN = [("slow", 5.0), ("rebind", None), ("wait", 12.0), ("slow", 0.0), ("configure", "other")]
KILLED_IN_ITS_UNBIND = [
    ("trouble", Fault.PROXY_AUTHENTICATION),
    ("slow", 5.0),
    ("unbind", False),
    ("end keys", None),
    ("kill", 0),
]


# Not shrunk: a history is short, and each costs a fifth of a second.
@pytest.mark.timeout(400)
@settings(max_examples=EXAMPLES, phases=(Phase.explicit, Phase.generate))
@example(plan=CANCELLED_IN_ITS_SIGN_IN, lifetime=None)
@example(plan=KILLED_IN_ITS_UNBIND, lifetime=None)
@given(
    plan=st.lists(steps, min_size=1, max_size=LONGEST),
    lifetime=st.sampled_from([None, timedelta(minutes=50), timedelta(hours=12)]),
)
def test_whatever_happens_nothing_is_lost_left_over_or_unaudited(
    plan: list[tuple[str, Any]], lifetime: timedelta | None
) -> None:
    """See the header."""
    asyncio.run(lived(plan, lifetime))
