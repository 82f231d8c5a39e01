"""XML in and out, for Exchange: what is written is escaped, what is read may hold no trap.

Called by the `autodiscover` and `ews` modules. Elements are found by their local names, because public documents
print some namespaces wrong and servers are read tolerantly.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape

from daemon.ports import ProviderFault
from states import Fault

SOAP_ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
LARGEST: Final = 2**20
_DEEPEST: Final = 64
_MOST: Final = 20_000
_DECLARATION: Final = '<?xml version="1.0" encoding="utf-8"?>'
# What XML 1.0 cannot carry at all, not even escaped.
_UNWRITABLE: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Trap(Exception):
    """The document holds what no answer of Exchange holds; the text is a clause that says what."""


def text(value: str) -> str:
    """Escape a value so that it stands in an element as it is."""
    return escape(_UNWRITABLE.sub("", value))


def written(document: str) -> bytes:
    """Give a document that was put together from escaped parts as bytes."""
    return f"{_DECLARATION}{document}".encode()


def document(body: bytes, *, of: str) -> Element:
    """Give the root element of an answer of `of`. Raises `ProviderFault` for all that is not plain, modest XML.

    A document type is refused before anything in it is read: no entity is ever expanded, nothing is fetched.
    """
    try:
        return _Reader().read(body)
    except _Trap as trap:
        why = str(trap)
    except (expat.ExpatError, LookupError, ValueError):
        why = "is not the XML that Exchange speaks" if body.strip() else "is empty"
    raise ProviderFault(Fault.ANSWER_MALFORMED, f"the answer of {of} {why} ({len(body)} bytes)")


def words(element: Element | None, path: str = ".") -> str:
    """The text at `path` below an element, stripped; empty when there is none."""
    found = element.find(path) if element is not None else None
    return (found.text or "").strip() if found is not None else ""


class _Reader:
    """Builds the tree of one document from expat's events."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0
        self._count = 0
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._builder.data
        self._parser.StartDoctypeDeclHandler = _refused
        self._parser.EntityDeclHandler = _refused

    def read(self, body: bytes) -> Element:
        if len(body) > LARGEST:
            raise _Trap("is larger than any answer of Exchange to this question")
        self._parser.Parse(body, True)  # noqa: FBT003 - expat takes no keywords
        return self._builder.close()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > _DEEPEST or self._count > _MOST:
            raise _Trap("holds more elements than any answer of Exchange to this question")
        self._builder.start(_qualified(name), {_qualified(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._builder.end(_qualified(name))


def _qualified(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _refused(*_: object) -> NoReturn:
    raise _Trap("declares a document type or entities, which Exchange never does, so it was not read")
