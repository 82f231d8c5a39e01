"""Autodiscover version 2: JSON, asked without a sign-in. Pure; called by `autodiscover.py`.

It tells where an address is served, not that it has a mailbox.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from daemon.providers.answer import Answer
from daemon.providers.autodiscover_answers import Declined, Found, Reading
from daemon.providers.quoting import quoted

_PATH: Final = "/autodiscover/autodiscover.json/v1.0/"
_UNKNOWN: Final = frozenset({"usernotfound", "mailboxnotfound"})
# [gap] no public list of these codes is complete.


def path(address: str) -> str:
    """Where to ask for the EWS address of `address`."""
    return f"{_PATH}{quote(address, safe='@')}?Protocol=EWS"


def read(answer: Answer, *, secrets: tuple[str, ...]) -> Reading:
    """Read an answer that is no redirect."""
    content = answer.json if isinstance(answer.json, dict) else {}
    url, code = content.get("Url"), content.get("ErrorCode")
    if answer.status == 200 and isinstance(url, str) and url.strip():
        return Found(url.strip())
    if isinstance(code, str) and code:
        said = quoted(content.get("ErrorMessage"), secrets=secrets, longest=120)
        shown = f"{quoted(code, secrets=secrets, longest=60)}{f' ({said})' if said else ''}"
        return Declined(said=shown, unknown_user=code.casefold() in _UNKNOWN)
    return Declined(said=str(answer.status) if answer.status != 200 else "no address in what it answered")
