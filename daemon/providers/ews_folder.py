"""The one question that is asked of EWS: GetFolder, ids only, on an inbox. What is written, and what came back.

Pure; called by `ews_inbox.py`. A header's fault arrives as a SOAP fault with HTTP 500, an item's as HTTP 200.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from daemon.ports import ProviderFault
from daemon.providers import soap
from daemon.providers.answer import Answer, unsigned
from daemon.providers.ews_errors import Side, row_of
from daemon.providers.failure import with_request_id
from daemon.providers.quoting import quoted
from states import Fault

_LONGEST_WAIT: Final = 3600.0
_VERSION: Final = "Exchange2016"
_MESSAGES: Final = "http://schemas.microsoft.com/exchange/services/2006/messages"
_TYPES: Final = "http://schemas.microsoft.com/exchange/services/2006/types"
_NO_ERROR: Final = "NoError"
_WORDS: Final = ("{*}MessageText", "detail/{*}Message", "{*}detail/{*}Message", "{*}faultstring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """How an inbox answered; without a `fault` it is there. `signed_in`: the server knew who was calling.

    `about` says what the fault concerns.
    """

    fault: ProviderFault | None = None
    signed_in: bool = True
    about: Side = "mailbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whose inbox is asked for at which host. `another`: not the account's own. `online`: at Microsoft.

    `secrets` are taken out of everything that is quoted.
    """

    host: str
    mailbox: str
    another: bool = False
    online: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


def request(*, impersonate: str = "") -> bytes:
    """The question for an inbox: the caller's own, or that of the one who is impersonated."""
    impersonation = (
        "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>"
        f"{soap.text(impersonate)}"
        "</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
    )
    return soap.written(
        f'<s:Envelope xmlns:s="{soap.SOAP_ENVELOPE}" xmlns:m="{_MESSAGES}" xmlns:t="{_TYPES}">'
        f'<s:Header><t:RequestServerVersion Version="{_VERSION}"/>{impersonation if impersonate else ""}</s:Header>'
        "<s:Body><m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
        '<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder></s:Body></s:Envelope>'
    )


def opened(answer: Answer, question: Question) -> Opened:
    """Judge the answer to `request`; 401 is judged by whoever signs in. The status is looked at first."""
    status = answer.status
    if status == 403:
        return _refused(answer, Fault.EWS_DISABLED, f"{question.host} answered 403: {_switched_off(question)}")
    if status == 429:
        return _refused(answer, Fault.THROTTLED, f"{question.host} answered 429: it asks to call less often")
    if status in {404, 405, 410}:
        detail = f"{question.host} answered {status}: there are no Exchange Web Services at the address that was named"
        return _refused(answer, Fault.REQUEST_REFUSED, detail)
    if status not in {200, 500}:
        fault = Fault.SERVICE_ERROR if status >= 500 else Fault.REQUEST_REFUSED
        return _refused(answer, fault, f"{question.host} answered {status} instead of a folder")
    return _read(answer, question)


def _read(answer: Answer, question: Question) -> Opened:
    try:
        root = soap.document(answer.body, of=f"{question.host} (EWS)")
    except ProviderFault as unread:
        malformed = unread
    else:
        return _judged(root, answer, question)
    if answer.status == 500:
        detail = f"{question.host} answered 500 without saying why in the way of EWS"
        return _refused(answer, Fault.SERVICE_ERROR, detail)
    return Opened(fault=with_request_id(malformed, answer.request_id), signed_in=False)


def _judged(root: Element, answer: Answer, question: Question) -> Opened:
    complaint, code = _complaint(root)
    if complaint is None:
        detail = f"the answer of {question.host} (EWS) holds neither a folder nor an error"
        return _refused(answer, Fault.ANSWER_MALFORMED, detail)
    if code == _NO_ERROR:
        return Opened()
    row = row_of(code)
    wait = _back_off(complaint)
    said = quoted(_message(complaint), secrets=question.secrets)
    shown = quoted(code, secrets=question.secrets, longest=80)
    detail = f"{question.host} answered {shown} for the mailbox {question.mailbox}: {row.meaning}"
    if said:
        detail += f', in its words "{said}"'
    if wait is not None:
        detail += f"; it asks to wait {wait:g} s"
    fault = ProviderFault(row.fault_for(another=question.another), detail, retry_after=wait or answer.retry_after)
    return Opened(fault=with_request_id(fault, answer.request_id), about=row.about)


def _complaint(root: Element) -> tuple[Element | None, str]:
    """The element that tells how it went, with its code: first what the detail says, then the fault's own code."""
    if (fault := root.find(".//{*}Fault")) is not None:
        code = soap.words(fault, "detail/{*}ResponseCode") or soap.words(fault, "{*}detail/{*}ResponseCode")
        return fault, code or soap.words(fault, "{*}faultcode").rpartition(":")[2] or "an unnamed error"
    message = root.find(".//{*}GetFolderResponseMessage")
    if message is None:
        return None, ""
    if message.get("ResponseClass") == "Success" and message.find(".//{*}FolderId") is not None:
        return message, _NO_ERROR
    code = soap.words(message, "{*}ResponseCode")
    return (None, "") if code in {"", _NO_ERROR} else (message, code)


def _message(complaint: Element) -> str:
    return next(filter(None, (soap.words(complaint, path) for path in _WORDS)), "")


def _back_off(complaint: Element) -> float | None:
    """Seconds to wait, where the server says so; an hour is the most that is believed."""
    for value in complaint.iterfind(".//{*}Value"):
        if value.get("Name") == "BackOffMilliseconds":
            milliseconds = unsigned(soap.words(value))
            return None if milliseconds is None else min(milliseconds / 1000, _LONGEST_WAIT)
    return None


def _switched_off(question: Question) -> str:
    if question.online:
        return (
            "Exchange Web Services are switched off for this tenant (EWSEnabled), or this application is not on its "
            "list (EwsAllowedAppIDs); the sign-in is not what is wrong"
        )
    return (
        "Exchange Web Services are switched off for the organization or the account (EwsEnabled in "
        "Get-OrganizationConfig and Get-CASMailbox), or something before the server forbids the way; the password "
        "is not what is wrong"
    )


def _refused(answer: Answer, fault: Fault, detail: str) -> Opened:
    found = ProviderFault(fault, detail, retry_after=answer.retry_after)
    return Opened(fault=with_request_id(found, answer.request_id), signed_in=False)
