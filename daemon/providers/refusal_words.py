"""The words in which the service refuses a sign-in. Called by `envelope.py`.

Its codes for a wrong password, a locked account, two-step authentication and an expired password are not
public, so the words of code and message decide, and whatever is not recognized counts as wrong credentials:
that is never retried, and so locks nobody out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from states import Fault

_ADDRESS: Final = re.compile(r"\S+@\S+")
_DATE: Final = re.compile(r"\b(request (date|expired|time)|timestamp|clock|x mc date|invalid date)\b")
_SIGN_IN: Final = (
    (re.compile(r"\b(2|two) ?(step|factor)\b|\b(2fa|mfa)\b|\bmulti ?factor\b"), Fault.TWO_STEP_REQUIRED),
    (re.compile(r"\block(ed|out)?\b"), Fault.ACCOUNT_LOCKED),
    (re.compile(r"\bauth(entication)? types?\b|^0001\b| 0001\b"), Fault.AUTHENTICATION_TYPE_REFUSED),
    (re.compile(r"\bexpired\b"), Fault.PASSWORD_EXPIRED),
    (re.compile(r"\baccess key\b"), Fault.KEYS_REFUSED),
)
_CREDENTIALS: Final = re.compile(r"\b(credentials?|password)\b")


def spoken(parts: Iterable[str]) -> str:
    """Code and message as plain lower-case words, without addresses, which could hold any word."""
    text = _ADDRESS.sub(" ", " ".join(parts).lower())
    return " ".join(re.sub(r"[^\w@]|_", " ", text).split())


def about_the_date(words: str) -> bool:
    """Whether the refusal is about the date of the call."""
    return _DATE.search(words) is not None


def sign_in_fault(words: str) -> Fault:
    """What a refused sign-in means."""
    return next((fault for pattern, fault in _SIGN_IN if pattern.search(words)), Fault.CREDENTIALS_REFUSED)


def conclusive(words: str) -> bool:
    """Whether the words name a reason other than the date of the call."""
    if about_the_date(words):
        return False
    return _CREDENTIALS.search(words) is not None or sign_in_fault(words) is not Fault.CREDENTIALS_REFUSED
