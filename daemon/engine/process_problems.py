"""Problems that only the running process knows; what the snapshot says comes from `states`. Used by the front door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daemon.engine.care import Unwiped
from daemon.engine.configuration import Configuration
from daemon.engine.driver import Driver
from daemon.engine.forwarding import Forwarder
from daemon.engine.keeping import Keeping
from daemon.engine.operations import Check
from daemon.ports import Clock, Vault
from states import Problem


class ProcessProblems:
    """Asks those who know, each time anew."""

    def __init__(
        self,
        *,
        driver: Driver,
        configuration: Configuration,
        vault: Vault,
        unwiped: Mapping[str, Unwiped],
        forwarder: Forwarder,
        keeping: Keeping,
        clock: Clock,
    ) -> None:
        self._driver = driver
        self._configuration = configuration
        self._vault = vault
        self._unwiped = unwiped
        self._forwarder = forwarder
        self._keeping = keeping
        self._began = clock.now()

    def of(self, site: str) -> tuple[Problem, ...]:
        """What touches every site, and what touches this one."""
        away = self._forwarder.problem()
        sending = () if away is None else (away,)
        return (
            *self._journal(),
            *self._daemon(),
            *self._locked(),
            *sending,
            *self._keeping.problems(),
            *self._not_wiped(site),
        )

    def checks(self) -> tuple[Check, ...]:
        """The lines of the health answer: about the process and its loop only. Being able to answer is the proof."""
        checks = [Check(name="event-loop", status="pass")]
        if self._driver.journal_trouble is not None:
            checks.append(Check(name="journal", status="warn", text=self._driver.journal_trouble[0]))
        if (locked := self._vault.problem()) is not None:
            checks.append(Check(name="vault", status="warn", text=locked))
        if (sending := self._forwarder.check()) is not None:
            checks.append(sending)
        checks += [Check(name="audit", status="warn", text=problem.text) for problem in self._keeping.problems()]
        return tuple(checks)

    def _journal(self) -> Iterator[Problem]:
        if self._driver.journal_trouble is not None:
            text, since = self._driver.journal_trouble
            yield Problem(
                code="journal-not-writable",
                severity="error",
                text=text,
                remedy="Make room or make the database writable; waiting records are written then by themselves.",
                since=since,
            )

    def _daemon(self) -> Iterator[Problem]:
        if self._configuration.daemon_findings:
            yield Problem(
                code="configuration-rejected",
                severity="warning",
                text=" | ".join(self._configuration.daemon_findings),
                remedy="Mend [daemon]; it is read again when it is saved. The last good settings stay in force.",
                since=self._configuration.daemon_findings_since,
            )

    def _locked(self) -> Iterator[Problem]:
        locked = self._vault.problem()
        if locked is not None:
            yield Problem(
                code="vault-locked",
                severity="error",
                text=locked,
                remedy="Put the vault's key back where the text says and restart; without it unbind and bind anew.",
                since=self._began,
            )

    def _not_wiped(self, site: str) -> Iterator[Problem]:
        unwiped = self._unwiped.get(site)
        if unwiped is not None:
            yield Problem(
                code="keys-not-wiped",
                severity="warning",
                text=f"The keys of bind {unwiped.bind_id} could not be wiped from the disk yet: {unwiped.text}",
                remedy="It is tried again every 30 s, and goes on by itself once the text's cause is gone.",
                since=unwiped.since,
            )
