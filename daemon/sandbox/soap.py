"""XML as Exchange reads and writes it: requests are read with care, answers are made of text. Used by its handlers."""

from __future__ import annotations

import re
from typing import Final, NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from daemon.sandbox.call import Answer

ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
ADDRESSING: Final = "http://www.w3.org/2005/08/addressing"
_LARGEST: Final = 256 * 1024
# What XML 1.0 cannot carry at all, not even escaped.
_UNWRITABLE: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class UnreadableXml(ValueError):
    """The document is too large, declares a type or entities, or is no XML."""


def read(body: bytes) -> ET.Element:
    """Read a document. Raises `UnreadableXml`.

    The parser itself refuses declarations, since a search in the bytes would miss them in another encoding.
    """
    if len(body) > _LARGEST:
        raise UnreadableXml
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: builder.start(_qualified(name), attributes)
    parser.EndElementHandler = lambda name: builder.end(_qualified(name))
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003 - expat takes no keywords
    except (expat.ExpatError, LookupError, ValueError):
        # The latter two come of encodings that the parser does not know, or cannot read.
        raise UnreadableXml from None
    return builder.close()


def words(root: ET.Element, path: str) -> str:
    """The text at a path, without blanks around it; empty where there is none."""
    return (root.findtext(path) or "").strip()


def text(value: str) -> str:
    """A value that can stand in an element."""
    return escape(_UNWRITABLE.sub("", value))


def attribute(value: str) -> str:
    """A value as an attribute's, with its quotes."""
    return quoteattr(_UNWRITABLE.sub("", value))


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


def _qualified(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _refuse(*_: object) -> NoReturn:
    raise UnreadableXml
