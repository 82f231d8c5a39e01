"""Foreign text in our own sentences: one line, short, and free of the caller's secrets.

Called wherever something that the service, a proxy or a certificate said is put into a fault or a report.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

LONGEST = 200


def quoted(text: object, *, secrets: Iterable[str] = (), longest: int = LONGEST) -> str:
    """Give `text` without control characters and secrets, on one line, cut after `longest` characters.

    Secrets are taken out first and the text is cut last, so that no half of one is left at the end.
    """
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(_visible(character) for character in text).split())
    for form in _forms(secrets):
        line = line.replace(form, "***")
    return line if len(line) <= longest else f"{line[:longest]}…"


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    # All of "C": control, format (it could turn a line's direction), surrogates, unassigned.
    return "" if unicodedata.category(character).startswith("C") else character


def _forms(secrets: Iterable[str]) -> list[str]:
    """Every spelling in which a secret could come back, the longest first."""
    forms: set[str] = set()
    for secret in secrets:
        encoded = base64.b64encode(secret.encode()).decode()
        forms |= {secret, " ".join(secret.split()), quote(secret, safe=""), quote_plus(secret), encoded}
    return sorted((form for form in forms if form), key=len, reverse=True)
