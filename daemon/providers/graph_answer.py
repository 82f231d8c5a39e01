"""What Microsoft Graph's answers say: its errors by their documented code, whose turn it is then, and lists.

Called by the Graph adapters, for whole answers and for those inside a batch. Whatever the shape of an answer is,
nothing but `ProviderFault` is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from daemon.ports import ProviderFault
from daemon.providers import unusable
from daemon.providers.answer import Answer
from daemon.providers.quoting import quoted
from states import Fault

BUSY: Final = frozenset({429, 503, 504})
"""What passes by waiting."""

TWO_HOURS: Final = "a permission that was granted just now can take up to two hours"

_CONSENT: Final = frozenset({"Authorization_RequestDenied", "AccessDenied", "Forbidden"})
NO_OBJECT: Final = frozenset({"ResourceNotFound", "Request_ResourceNotFound", "ErrorInvalidUser", "itemNotFound"})


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A call as seen by whoever judges its answer.

    `busy` and `missing` are the faults for a service that is busy and for an object that is not there; `needs` names
    the permission that the call wants.
    """

    what: str
    busy: Fault = Fault.SERVICE_ERROR
    missing: Fault = Fault.REQUEST_REFUSED
    needs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer, whether it came by itself or inside a batch. `request_id` names the call for support.

    `secrets` went out with the call; they are taken out of everything that is quoted.
    """

    status: int
    json: Any = field(repr=False)
    size: int
    kind: str
    request_id: str = ""
    retry_after: float | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def code(self) -> str:
        """The documented code of its error; empty if there is none."""
        return _text(_error(self).get("code"))

    @property
    def is_refusal(self) -> bool:
        """Whether it is anything but what was asked for."""
        return not 200 <= self.status < 300 or bool(_error(self))


def reply_of(answer: Answer, *, secrets: tuple[str, ...]) -> Reply:
    """Read a whole answer to a call that went out with `secrets`."""
    return Reply(
        status=answer.status,
        json=answer.json,
        size=answer.size,
        kind=answer.kind,
        request_id=answer.request_id,
        retry_after=answer.retry_after,
        secrets=secrets,
    )


def document(reply: Reply, about: About) -> dict[str, Any]:
    """Give the JSON object of an answer that is no refusal. Raises `ProviderFault`."""
    if reply.is_refusal:
        raise refusal(reply, about)
    if not isinstance(reply.json, dict):
        raise malformed(reply, about, unusable.not_an_object(reply))
    return reply.json


def one(reply: Reply, about: About) -> dict[str, Any]:
    """Give the object of an answer, which must have an id. Raises `ProviderFault`."""
    found = document(reply, about)
    if not _text(found.get("id")):
        raise malformed(reply, about, "lacks the object that was expected")
    return found


def listed(reply: Reply, about: About) -> list[dict[str, Any]]:
    """Give the objects in `value` of an answer that is no refusal. Raises `ProviderFault`."""
    value = document(reply, about).get("value")
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise malformed(reply, about, "lacks the list that was expected")
    return value


def refusal(reply: Reply, about: About) -> ProviderFault:
    """Make the fault for an answer that is a refusal: the error in Graph's own words, and advice."""
    fault, advice = _judged(reply, about)
    return unusable.refused(reply, about.what, fault=fault, said=_quoted(reply), advice=advice)


def malformed(reply: Reply, about: About, what: str) -> ProviderFault:
    """Make the fault for an answer that is not Graph's; nothing of its content is quoted."""
    return unusable.malformed(reply, about.what, what)


def _judged(reply: Reply, about: About) -> tuple[Fault, str]:
    """Choose the fault, and advice where its remedy does not say enough. The status is looked at first."""
    status, code = reply.status, reply.code
    if status == 429:
        return unusable.throttled(reply)
    if status >= 500:
        return about.busy, ""
    if status == 401:
        return Fault.WRONG_NATIONAL_CLOUD, "the token is fresh: do host address and Graph belong to the same cloud?"
    if code == "ErrorAccessDenied":
        return Fault.IMPERSONATION_DENIED, TWO_HOURS
    if status == 403 or code in _CONSENT:
        needs = f"it needs the application permission {about.needs}; " if about.needs else ""
        return Fault.CONSENT_MISSING, f"{needs}{TWO_HOURS}"
    if code == "MailboxNotEnabledForRESTAPI":
        return about.missing, "the mailbox is inactive, deleted or on premises"
    if status == 404 and code in NO_OBJECT:
        return about.missing, ""
    if status == 404 and not isinstance(reply.json, dict):
        return Fault.ANSWER_MALFORMED, "no such path there: is this Microsoft Graph?"
    return (Fault.TIMED_OUT, "") if status == 408 else (Fault.REQUEST_REFUSED, "")


def _quoted(reply: Reply) -> str:
    error = _error(reply)
    code = quoted(error.get("code"), secrets=reply.secrets, longest=80)
    message = quoted(error.get("message"), secrets=reply.secrets)
    return " ".join(filter(None, (code, f'"{message}"' if message else "")))


def _error(reply: Reply) -> Mapping[str, Any]:
    error = reply.json.get("error") if isinstance(reply.json, dict) else None
    return error if isinstance(error, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
