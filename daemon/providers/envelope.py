"""What the service's answers say: the envelope, every recorded shape of an error, and what it means.

Called by both adapters. HTTP 200 can be a failure, and the same 401 stands for different mistakes, so each
call says what it is for. The status is looked at first; codes are open-ended and only refine it. Whatever the
shape of an answer is, nothing but `ProviderFault` is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from daemon.ports import ProviderFault
from daemon.providers import refusal_words, unusable
from daemon.providers.answer import Answer, service_time
from daemon.providers.quoting import quoted
from states import Fault

SKEW: Final = timedelta(minutes=5)
_MOST: Final = 10


class Purpose(Enum):
    """What a call is for; a 401 means something else for each."""

    DISCOVER = "discover"
    SIGN_IN = "sign-in"
    REFRESH = "refresh"
    TOKEN = "token"  # noqa: S105 - a name, not a secret
    CALL = "call"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A call as seen by whoever judges its answer. `now` is set where the service judges our date.

    `secrets` are taken out of everything that is quoted.
    """

    what: str
    purpose: Purpose
    secrets: tuple[str, ...] = field(default=(), repr=False)
    now: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Complaint:
    """One error in an answer, as the service put it: foreign text, to be quoted only through `quoted`.

    It has no `repr` of its own, since a service may repeat what it was sent.
    """

    code: str = ""
    message: str = ""
    field: str = ""
    retryable: bool = False


def complaints(document: object) -> tuple[Complaint, ...]:
    """Every error in a decoded answer, whichever of the known shapes it has; an empty one for an unknown shape."""
    if not isinstance(document, dict):
        return ()
    found = [*_listed(document.get("fail")), *_listed(document.get("errors"))]
    error = document.get("error")
    if isinstance(error, str) and error:
        found.append(Complaint(code=error, message=_text(document.get("error_description"))))
    else:
        found.extend(_listed(error))
    return tuple(found[:_MOST])


def says(answer: Answer, code: str) -> bool:
    """Whether the answer complains with `code`."""
    return any(complaint.code == code for complaint in complaints(answer.json))


def document(answer: Answer, about: About) -> dict[str, Any]:
    """Give the JSON object of an answer that is no refusal. Raises `ProviderFault`."""
    content = answer.json
    found = complaints(content)
    status = _status(answer, failed=bool(found))
    if found or not 200 <= status < 300:
        raise _refusal(answer, about, status=status, found=found)
    if not isinstance(content, dict):
        raise malformed(answer, about, unusable.not_an_object(answer))
    return content


def entries(answer: Answer, about: About) -> list[Any]:
    """Give the list `data` of an answer that is no refusal. Raises `ProviderFault`."""
    data = document(answer, about).get("data")
    if not isinstance(data, list):
        raise malformed(answer, about, "lacks the list that was expected")
    return data


def entry(answer: Answer, about: About) -> dict[str, Any]:
    """Give the first object in `data` of an answer that is no refusal. Raises `ProviderFault`."""
    data = entries(answer, about)
    if not data or not isinstance(data[0], dict):
        raise malformed(answer, about, "lacks the object that was expected")
    return data[0]


def malformed(answer: Answer, about: About, what: str) -> ProviderFault:
    """Make the fault for an answer that is not the service's; nothing of its content is quoted."""
    return unusable.malformed(answer, about.what, what)


def skewed_by(answer: Answer, about: About) -> timedelta | None:
    """How far the service's clock is ahead of ours, if that matters to this call and is over five minutes."""
    there = service_time(answer)
    if about.now is None or there is None or abs(there - about.now) <= SKEW:
        return None
    return there - about.now


def _status(answer: Answer, *, failed: bool) -> int:
    """The status of HTTP, or of the function behind a call which itself went well."""
    meta = answer.json.get("meta") if isinstance(answer.json, dict) else None
    inner = meta.get("status") if isinstance(meta, dict) else None
    if 200 <= answer.status < 300 and isinstance(inner, int) and 300 <= inner < 600:
        return inner
    return 200 if failed and answer.status < 300 else answer.status


def _refusal(answer: Answer, about: About, *, status: int, found: tuple[Complaint, ...]) -> ProviderFault:
    fault, hint = _judged(answer, about, status=status, found=found)
    said = "; ".join(filter(None, (_quote(complaint, about) for complaint in found[:3])))
    inner = f" with status {status} inside" if status != answer.status else ""
    return unusable.refused(answer, about.what, fault=fault, said=said, advice=hint, inside=inner)


def _judged(answer: Answer, about: About, *, status: int, found: tuple[Complaint, ...]) -> tuple[Fault, str]:
    """Choose the fault, and a hint where its remedy does not say enough."""
    if status == 429:
        return unusable.throttled(answer)
    if status >= 500:
        return Fault.SERVICE_ERROR, ""
    if status == 418:
        return Fault.BINDING_EXPIRED, ""
    if status == 401:
        return _unauthorized(answer, about, found=found)
    known = next((_BY_CODE[complaint.code] for complaint in found if complaint.code in _BY_CODE), None)
    if known is not None:
        return known, ""
    if status == 403:
        return (Fault.WRONG_REGION if _names_region(found) else Fault.PERMISSION_MISSING), ""
    if status == 408:
        return Fault.TIMED_OUT, ""
    return _otherwise(about, status=status, found=found)


def _otherwise(about: About, *, status: int, found: tuple[Complaint, ...]) -> tuple[Fault, str]:
    if about.purpose is Purpose.DISCOVER and any("email" in complaint.code for complaint in found):
        return Fault.ADDRESS_UNKNOWN, ""
    if status in {404, 405}:
        return Fault.REQUEST_REFUSED, "no such path there: is this the right host ([binding] service_url)?"
    if status == 409 and about.purpose is Purpose.SIGN_IN:
        advice = "a user may hold only so many bindings: end old ones, or use a user of its own for this site"
        return Fault.REQUEST_REFUSED, advice
    if status < 300 and any(complaint.retryable for complaint in found):
        return Fault.SERVICE_ERROR, ""
    return Fault.REQUEST_REFUSED, ""


def _unauthorized(answer: Answer, about: About, *, found: tuple[Complaint, ...]) -> tuple[Fault, str]:
    """Tell the mistakes apart that share the status 401."""
    spoken = refusal_words.spoken(f"{complaint.code} {complaint.message}" for complaint in found)
    skew = skewed_by(answer, about)
    if skew is not None and (about.purpose is Purpose.CALL or not refusal_words.conclusive(spoken)):
        return Fault.CLOCK_SKEWED, _both_times(about, skew)
    if about.now is not None and service_time(answer) is None and refusal_words.about_the_date(spoken):
        return Fault.CLOCK_SKEWED, "it refuses the date of the call and does not say its own time"
    if about.purpose is Purpose.SIGN_IN:
        return refusal_words.sign_in_fault(spoken), ""
    if about.purpose is Purpose.REFRESH:
        # Password and access key are judged in one call: only clear words are about the password.
        known = refusal_words.conclusive(spoken)
        return (refusal_words.sign_in_fault(spoken) if known else Fault.KEYS_REFUSED), ""
    if about.purpose is not Purpose.CALL:
        return Fault.APPLICATION_REFUSED, ""
    if any(complaint.code == "err_xdk_binding_expired" for complaint in found):
        return Fault.BINDING_EXPIRED, ""
    return Fault.KEYS_REFUSED, _which_key(about)


def _which_key(about: About) -> str:
    if about.now is None:
        return ""
    return "the same answer stands for a wrong application key, access key or secret key"


def _both_times(about: About, skew: timedelta) -> str:
    if about.now is None:
        return ""
    there = about.now + skew
    return f"this host's clock says {about.now:%Y-%m-%d %H:%M:%S} UTC, the service's {there:%Y-%m-%d %H:%M:%S} UTC"


_BY_CODE: Final = {
    "err_developer_key": Fault.APPLICATION_REFUSED,
    "err_xdk_binding_expired": Fault.BINDING_EXPIRED,
    "err_xdk_invalid_signature": Fault.KEYS_REFUSED,
    "err_xdk_operation_forbidden_for_address": Fault.PERMISSION_MISSING,
    "err_audit_log_incorrect_region": Fault.WRONG_REGION,
    "app_forbidden": Fault.PERMISSION_MISSING,
    "invalid_client": Fault.APPLICATION_REFUSED,
    "unauthorized_client": Fault.APPLICATION_REFUSED,
}


def _names_region(found: tuple[Complaint, ...]) -> bool:
    return any("region" in f"{complaint.code} {complaint.message}".lower() for complaint in found)


def _quote(complaint: Complaint, about: About) -> str:
    code = quoted(complaint.code, secrets=about.secrets, longest=80)
    message = quoted(complaint.message, secrets=about.secrets)
    place = quoted(complaint.field, secrets=about.secrets, longest=80)
    words = [code, f'"{message}"' if message else "", f"(field {place})" if place else ""]
    return " ".join(filter(None, words))


def _listed(value: object) -> Iterator[Complaint]:
    """Read `fail`, `errors` or `error`: a list or a single one, with or without a level of `errors` in it."""
    if value is None or value in (False, "", [], {}):
        return
    for item in value if isinstance(value, list) else [value]:
        nested = item.get("errors") if isinstance(item, dict) else None
        if nested:
            for error in nested if isinstance(nested, list) else [nested]:
                yield _complaint(error)
        else:
            yield _complaint(item)


def _complaint(item: object) -> Complaint:
    if not isinstance(item, dict):
        return Complaint(message=_text(item))
    return Complaint(
        code=_text(item.get("code")),
        message=_text(item.get("message")),
        field=_text(item.get("field")),
        retryable=item.get("retryable") is True,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
