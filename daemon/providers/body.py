"""The bodies of requests and answers: JSON and forms to bytes, and bytes back. Called by `http.py` only."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

_HALF: Final = "\\ud"
"""How JSON writes half of a character beyond the first 65,536; two of them are one."""


def encoded(
    headers: Mapping[str, str], *, json: object, form: Mapping[str, str] | None
) -> tuple[dict[str, str], bytes | None]:
    """Give the headers with the kind of the body, and the body; `form` goes before `json`."""
    if form is not None:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return {**headers, **kind}, urlencode(form).encode()
    if json is not None:
        return {**headers, "Content-Type": "application/json"}, jsonlib.dumps(json).encode()
    return dict(headers), None


def decoded(body: bytearray) -> Any:
    """Decode JSON; None for anything else, and for JSON so deep that it was made to hurt.

    Half a character becomes U+FFFD: nobody could write it down, send it on or take its digest, and a company's name
    with one is no reason not to bind.
    """
    try:
        text = body.decode(jsonlib.detect_encoding(body))
        found = jsonlib.loads(text)
        if _HALF in text.lower():
            halves = jsonlib.dumps(found, ensure_ascii=False).encode("utf-16", "surrogatepass")
            found = jsonlib.loads(halves.decode("utf-16", "replace"))
    except (ValueError, RecursionError):
        return None
    return found
