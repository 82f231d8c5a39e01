"""What is said of a service's answer that cannot be used, in the same words for every service that speaks JSON.

Called by `envelope.py` and `graph_answer.py`, which judge whose turn it is.
"""

from __future__ import annotations

from typing import Any, Protocol

from daemon.ports import ProviderFault
from daemon.providers.failure import with_request_id
from daemon.providers.quoting import quoted
from states import Fault


class Answered(Protocol):
    """What is looked at of an answer: `kind` is its content type, `size` its length in bytes."""

    @property
    def status(self) -> int: ...
    @property
    def json(self) -> Any: ...
    @property
    def size(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def retry_after(self) -> float | None: ...


def refused(answer: Answered, what: str, *, fault: Fault, said: str, advice: str, inside: str = "") -> ProviderFault:
    """Make the fault for a refusal of `what`. `said`: the service's words, quoted; `inside` goes with the status."""
    detail = f"{what} was answered with HTTP {answer.status}{inside}{f': {said}' if said else ''}"
    if advice:
        detail = f"{detail}; {advice}"
    if answer.size and not isinstance(answer.json, dict):
        detail = f"{detail}; the answer is not JSON, so something on the way may have given it"
    return with_request_id(ProviderFault(fault, detail, retry_after=answer.retry_after), answer.request_id)


def malformed(answer: Answered, what: str, why: str) -> ProviderFault:
    """Make the fault for an answer that is not the service's; nothing of its content is quoted."""
    kind = quoted(answer.kind, longest=60) or "no content type"
    detail = f"the answer to {what} {why} (HTTP {answer.status}, {kind}, {answer.size} bytes)"
    return with_request_id(ProviderFault(Fault.ANSWER_MALFORMED, detail), answer.request_id)


def not_an_object(answer: Answered) -> str:
    """Why there is no JSON object to read, as `malformed` says it."""
    return "is not the JSON object that was expected" if answer.size else "is empty"


def throttled(answer: Answered) -> tuple[Fault, str]:
    """Judge a 429: the fault, and how long the service asks to wait."""
    wait = answer.retry_after
    return Fault.THROTTLED, "" if wait is None else f"it asks to wait {wait:g} s"
