"""Every condition that is not as it should be has a problem with a code, and a remedy for it."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from datetime import datetime

import pytest

from states import Fault, Impact, Problem, State, health, problems
from states.events import (
    BindSucceeded,
    ConfigRejected,
    ConfigWithdrawn,
    Restarted,
    RetryDue,
    UnbindFinished,
)
from tests.states.examples import (
    MANUAL,
    TERMS,
    Story,
    accepted,
    asked,
    binding,
    failed,
    later,
    lost,
    missed,
    refused,
    story_in,
    succeeded,
    unbind,
    unbind_failed,
)

CHANGED = replace(MANUAL, fingerprint="inputs-2")
NO_SIGN_IN = replace(TERMS, credentials=None)
FINDINGS = ("config.ini:3: [binding] emial: unknown option", "config.ini:9: [connection] needs a port")


def bound(terms: object = TERMS, *, expires_at: datetime | None = None) -> Story:
    return Story(accepted(terms), asked(), succeeded(1, expires_at=expires_at))  # type: ignore[arg-type]


def told(story: Story, *events: object) -> Story:
    story.tell(*events)  # type: ignore[arg-type]
    return story


WARNED = BindSucceeded(attempt=1, binding=binding(1), warnings=("the role may not read the account",))

# code, severity, a piece of its text, a piece of its remedy, the story
CASES: dict[str, tuple[str, str, str, Story]] = {
    "configuration-rejected": (
        "error",
        " | ".join(FINDINGS),
        "The last good settings stay in force",
        told(bound(), ConfigRejected(findings=FINDINGS)),
    ),
    "not-configured": (
        "error",
        "no configuration for this site: the file is gone",
        "Write the site's configuration file",
        told(bound(), ConfigWithdrawn(reason="the file is gone")),
    ),
    "configuration-warning": (
        "warning",
        "config.ini:7: plain text",
        "Change the option",
        told(bound(), replace(accepted(), warnings=("config.ini:7: plain text",))),
    ),
    "unreachable": ("error", "it did not work.", Fault.UNREACHABLE.remedy, story_in(State.FAILED)),
    "slow-bind": ("warning", "Bind default-1 has been running since 12:00:00 UTC", "steps", story_in(State.BINDING)),
    "bind-pending": ("info", "A bind starts", "No action", Story(accepted())),
    "unbind-pending": (
        "info",
        "An unbind is under way",
        "No action",
        told(story_in(State.BINDING, held=True, terms=TERMS), unbind()),
    ),
    "unbound-by-operator": (
        "info",
        "unbound by an operator",
        "sitebind rebind",
        told(bound(), unbind(), UnbindFinished(bind_id="default-1")),
    ),
    "bind-interrupted": (
        "warning",
        "A restart interrupted a bind",
        "sitebind rebind",
        told(story_in(State.BINDING), Restarted(), accepted(MANUAL, at_start=True)),
    ),
    "credentials-missing": ("warning", "No sign-in is configured", "sitebind rebind", Story(accepted(NO_SIGN_IN))),
    "automatic-off": ("warning", "automatic = no", "sitebind rebind", Story(accepted(MANUAL))),
    "refused-credentials-unchanged": (
        "warning",
        "was refused before",
        "Correct it in [binding]",
        Story(
            accepted(),
            asked(),
            failed(1, Fault.CREDENTIALS_REFUSED, credentials=TERMS.credentials),
            ConfigWithdrawn(reason="the file is gone"),
            accepted(),
        ),
    ),
    "verification-refused": (
        "error",
        "refused the held keys (2 in a row): no longer accepted",
        Fault.KEYS_REFUSED.remedy,
        told(bound(), refused(1), refused(1)),
    ),
    "verification-missed": (
        "warning",
        "could not be verified: no way there",
        Fault.UNREACHABLE.remedy,
        told(bound(), missed(1)),
    ),
    "binding-outdated": (
        "warning",
        "default-1 was made with settings that changed since",
        "replaced when a bind with the new settings succeeds",
        told(bound(), accepted(CHANGED, Impact.REBIND)),
    ),
    "binding-expires": (
        "error",
        "expires at 2025-03-01 20:00 UTC, in 7 hours, and nothing refreshes it.",
        "Configure the password by reference",
        bound(NO_SIGN_IN, expires_at=later(8 * 3600)),
    ),
    "bind-warning": (
        "warning",
        "the role may not read the account",
        "The site works",
        Story(accepted(), asked(), WARNED),
    ),
    "unbind-failed": (
        "error",
        "The unbind did not finish: no way there",
        "unbind locally only",
        told(bound(), unbind(), unbind_failed(1)),
    ),
    "revoke-pending": (
        "warning",
        "wait to be revoked: default-1.",
        "Mimecast console",
        told(bound(), asked(), succeeded(2)),
    ),
}
LONG_AFTER = later(121)


def found(story: Story, *, at: datetime = LONG_AFTER) -> dict[str, Problem]:
    return {problem.code: problem for problem in problems(story.now, at=at)}


def test_every_declared_code_has_a_case_here() -> None:
    source = inspect.getsource(health)
    declared = set(re.findall(r'code="([a-z-]+)"', source)) | set(re.findall(r'return\W+"([a-z-]+)",', source))
    assert declared == set(CASES) - {fault.code for fault in Fault} | {"credentials-missing"}


@pytest.mark.parametrize("code", CASES)
def test_every_condition_is_a_problem_with_a_remedy(code: str) -> None:
    severity, text, remedy, story = CASES[code]
    problem = found(story)[code]
    assert problem.severity == severity
    assert text in problem.text
    assert remedy in problem.remedy
    assert problem.since <= LONG_AFTER


def test_a_site_that_is_well_has_no_problems() -> None:
    assert problems(bound().now, at=LONG_AFTER) == ()


def test_a_bind_that_runs_as_it_should_is_no_problem() -> None:
    assert problems(story_in(State.BINDING).now, at=later(120)) == ()


def test_the_worst_comes_first() -> None:
    story = told(bound(), missed(1), refused(1), asked(), failed(2), replace(accepted(), warnings=("w",)))
    severities = [problem.severity for problem in problems(story.now, at=LONG_AFTER)]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert len(set(severities)) == 2


@pytest.mark.parametrize("fault", Fault)
def test_a_failed_attempt_names_its_fault_and_says_what_to_do(fault: Fault) -> None:
    story = told(story_in(State.BINDING), failed(1, fault))
    problem = found(story)[fault.code]
    assert (problem.severity, problem.remedy) == ("error", fault.remedy)
    assert problem.remedy.endswith(".")


def test_a_failed_attempt_beside_a_held_binding_is_a_warning_that_says_so() -> None:
    problem = found(story_in(State.FAILED, held=True))["unreachable"]
    assert problem.severity == "warning"
    assert problem.text == "it did not work. The earlier binding is still held and in use."


def test_the_trouble_stays_visible_while_the_next_attempt_runs() -> None:
    story = story_in(State.FAILED)
    since = found(story)["unreachable"].since
    story.tell(RetryDue(attempt=2), after=60)
    assert found(story)["unreachable"].since == since


def test_a_lost_binding_is_told_until_the_site_is_bound_again() -> None:
    story = told(bound(MANUAL), lost(1))
    assert found(story)["keys-refused"].severity == "error"
    story.tell(asked(), succeeded(2))
    assert "keys-refused" not in found(story)


def test_a_file_that_was_bad_at_the_start_says_what_to_mend_and_nothing_of_good_settings() -> None:
    story = Story(ConfigWithdrawn(reason="the file is bad", findings=FINDINGS))
    assert set(found(story)) == {"configuration-rejected"}
    problem = found(story)["configuration-rejected"]
    assert problem.remedy == "Mend the file; it is read again when it is saved."


def test_a_failed_unbind_stands_alone_and_promises_no_bind() -> None:
    """Nobody asked for a bind, so none is about to start."""
    story = told(story_in(State.BINDING, held=True, terms=TERMS), unbind(), unbind_failed(1))
    assert story.now.state is State.CONFIGURED
    assert set(found(story)) == {"unbind-failed"}


def test_new_settings_that_are_being_bound_with_are_no_problem() -> None:
    story = told(bound(), accepted(CHANGED, Impact.REBIND), asked())
    assert "binding-outdated" not in found(story, at=later(5))


@pytest.mark.parametrize(
    "days, severity, text",
    [
        (14.5, None, ""),
        (14.0, "warning", "in 14 days, and nothing refreshes it"),
        (3.5, "warning", "in 3 days, and nothing refreshes it"),
        (3.0, "error", "in 3 days, and nothing refreshes it"),
        (1.0, "error", "in 1 day, and nothing refreshes it"),
        (-1.0, "error", "expired at"),
    ],
)
def test_an_expiry_that_nothing_prevents_worries_at_14_days_and_presses_at_3(
    days: float, severity: str | None, text: str
) -> None:
    """Known early enough to configure a password by reference, and loud when it is nearly too late."""
    now = bound(NO_SIGN_IN, expires_at=later(100 * 86400)).now
    at = later(round((100 - days) * 86400))
    found = [problem for problem in problems(now, at=at) if problem.code == "binding-expires"]
    assert [problem.severity for problem in found] == ([] if severity is None else [severity])
    assert all(text in problem.text for problem in found)
