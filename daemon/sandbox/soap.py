"""XML as Exchange reads and writes it: requests are read with care, answers are made of text. Used by its handlers."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from daemon.sandbox.call import Answer

ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_LARGEST: Final = 256 * 1024
_DECLARATION: Final = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def read(body: bytes) -> ET.Element | None:
    """Read a document; None for what is too large, declares entities or a type, or is no XML."""
    if len(body) > _LARGEST or _DECLARATION.search(body):
        return None
    try:
        return ET.fromstring(body)  # noqa: S314 - nothing that declares an entity comes this far
    except ET.ParseError:
        return None


def words(root: ET.Element, path: str) -> str:
    """The text at a path, without blanks around it; empty where there is none."""
    return (root.findtext(path) or "").strip()


def text(value: str) -> str:
    """A value that can stand in XML."""
    return escape(value, {'"': "&quot;"})


def answer(content: str, *, status: int = 200) -> Answer:
    """A document."""
    body = f'<?xml version="1.0" encoding="utf-8"?>{content}'.encode()
    return Answer(status=status, body=body, headers={"Content-Type": "text/xml; charset=utf-8"})


def envelope(body: str, *, header: str = "") -> str:
    """A SOAP message."""
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return f'<s:Envelope xmlns:s="{ENVELOPE}">{head}<s:Body>{body}</s:Body></s:Envelope>'
