"""XML from outside is read without expanding, fetching or building anything that it should not."""

from __future__ import annotations

import time

import pytest

from daemon.ports import ProviderFault
from daemon.providers import soap
from states import Fault

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
TRAPS = {
    "a document type": '<!DOCTYPE html><html xmlns="x"/>',
    "a billion laughs": f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]><a>&l9;</a>',
    "a file of this host": '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>',
    "an address to fetch": '<!DOCTYPE a SYSTEM "http://localhost/a.dtd"><a/>',
}
BROKEN = {
    "nothing": (b"", "is empty"),
    "spaces": (b" \r\n ", "is empty"),
    "half": (b"<a><b>", "is not the XML"),
    "two roots": (b"<a/><a/>", "is not the XML"),
    "an entity that nobody declared": (b"<a>&x;</a>", "is not the XML"),
    "bytes": (bytes(range(256)), "is not the XML"),
    "an encoding that nobody knows": (b'<?xml version="1.0" encoding="no-such"?><a/>', "is not the XML"),
    "a prefix that nobody declared": (b"<s:a/>", "is not the XML"),
    "JSON": (b"{}", "is not the XML"),
    "a body that is far too large": (b"<a>" + b" " * soap.LARGEST + b"</a>", "is larger"),
    "too deep": (b"<a>" * 100_000, "more elements"),
    "too many": (b"<a>" + b"<b/>" * 30_000 + b"</a>", "more elements"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_document_type_is_refused_before_it_is_read(trap: str) -> None:
    began = time.perf_counter()
    with pytest.raises(ProviderFault, match="declares a document type or entities") as caught:
        soap.document(TRAPS[trap].encode(), of="mail.example.test")
    assert caught.value.fault is Fault.ANSWER_MALFORMED
    assert caught.value.__context__ is None
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_modest_xml_is_one_fault(what: str) -> None:
    body, said = BROKEN[what]
    with pytest.raises(ProviderFault, match=said) as caught:
        soap.document(body, of="mail.example.test")
    assert caught.value.fault is Fault.ANSWER_MALFORMED
    assert caught.value.detail.startswith("the answer of mail.example.test")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_every_usual_encoding_is_read(encoding: str) -> None:
    body = f'<?xml version="1.0" encoding="{encoding}"?><a xmlns="urn:x"><b k="1"> Zoë </b></a>'.encode(encoding)
    root = soap.document(body, of="x")
    assert root.tag == "{urn:x}a"
    assert soap.words(root, "{*}b") == "Zoë"
    assert soap.words(root, "{*}c") == ""
    assert soap.words(None) == ""


@pytest.mark.parametrize("value", ["<&>\"'", "]]>", "Zoë Müller", "a\tb", "😀"])
def test_a_value_comes_back_as_it_was_written(value: str) -> None:
    assert soap.document(soap.written(f"<a><b>{soap.text(value)}</b></a>"), of="x").findtext("b") == value


def test_what_xml_cannot_carry_is_left_out() -> None:
    unwritable = "a\x00\x0bb\ud800\ufffe"
    assert soap.document(soap.written(f"<a>{soap.text(unwritable)}</a>"), of="x").text == "ab"
