"""XML as Exchange reads and writes it: requests are read with care, answers are made of text. Used by its handlers."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from daemon.sandbox.call import Answer

ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
ADDRESSING: Final = "http://www.w3.org/2005/08/addressing"
_LARGEST: Final = 256 * 1024
_DECLARATION: Final = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


class UnreadableXml(ValueError):
    """The document is too large, declares a type or entities, or is no XML."""


def read(body: bytes) -> ET.Element:
    """Read a document. Raises `UnreadableXml`."""
    if len(body) > _LARGEST or _DECLARATION.search(body):
        raise UnreadableXml
    try:
        return ET.fromstring(body)  # noqa: S314 - nothing that declares an entity comes this far
    except ET.ParseError:
        raise UnreadableXml from None


def words(root: ET.Element, path: str) -> str:
    """The text at a path, without blanks around it; empty where there is none."""
    return (root.findtext(path) or "").strip()


def text(value: str) -> str:
    """A value that can stand in an element."""
    return escape(value)


def attribute(value: str) -> str:
    """A value as an attribute's, with its quotes."""
    return quoteattr(value)


def answer(content: str, *, status: int = 200) -> Answer:
    """A document."""
    body = f'<?xml version="1.0" encoding="utf-8"?>{content}'.encode()
    return Answer(status=status, body=body, headers={"Content-Type": "text/xml; charset=utf-8"})


def envelope(body: str, *, header: str = "") -> str:
    """A SOAP message."""
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return f'<s:Envelope xmlns:s="{ENVELOPE}">{head}<s:Body>{body}</s:Body></s:Envelope>'


def fault(code: str, *, message: str, detail: str = "") -> Answer:
    """A SOAP fault with HTTP 500; `code` is the whole element of the code, `detail` what stands in its own."""
    more = f"<detail>{detail}</detail>" if detail else ""
    said = f'<faultstring xml:lang="en-US">{text(message)}</faultstring>'
    return answer(envelope(f"<s:Fault>{code}{said}{more}</s:Fault>"), status=500)
