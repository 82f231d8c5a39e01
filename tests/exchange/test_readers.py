"""Whatever bytes come, reading them gives a value or one fault: no answer of a stranger breaks an examination."""

from __future__ import annotations

import contextlib
import json

from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from daemon.ports import ProviderFault
from daemon.providers import autodiscover_json, autodiscover_pox, autodiscover_soap, ews_folder, soap
from daemon.providers.answer import Answer
from daemon.providers.body import decoded
from daemon.providers.ews_folder import Question
from states import Fault
from tests.exchange import answers

WHOLE = (
    answers.soap_settings("https://mail.example.test/EWS/Exchange.asmx"),
    answers.soap_redirect("https://a.test"),
    answers.pox_settings("https://mail.example.test/EWS/Exchange.asmx"),
    answers.pox_error(500, "Unknown."),
    answers.folder(),
    answers.item_error("ErrorServerBusy"),
    answers.header_fault("ErrorServerBusy", back_off=5),
)
STATUSES = st.sampled_from((200, 302, 400, 401, 403, 404, 429, 500, 503))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("Url", "ErrorCode", "ErrorMessage", "x")), inner, max_size=4)
    ),
    max_leaves=8,
)


def bytes_of(response: web.Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A real answer with a piece cut out or put in, or no answer at all."""
    body = bytes_of(draw(st.sampled_from(WHOLE)))
    begin = draw(st.integers(0, len(body)))
    end = draw(st.integers(begin, min(len(body), begin + 60)))
    return draw(st.just(body[:begin] + draw(st.binary(max_size=12)) + body[end:]) | st.binary(max_size=80))


def answer(body: bytes, status: int) -> Answer:
    return Answer(status=status, headers=CIMultiDict(), body=body, json=decoded(bytearray(body)))


@given(spoiled(), STATUSES)
def test_xml_of_any_kind_is_a_value_or_one_fault(body: bytes, status: int) -> None:
    given_answer = answer(body, status)
    for read in (autodiscover_soap.read, autodiscover_pox.read):
        with contextlib.suppress(ProviderFault):
            read(given_answer, of="mail.example.test", secrets=())
    opened = ews_folder.opened(given_answer, Question(host="mail.example.test", mailbox="a@example.test"))
    assert opened.fault is None or opened.fault.detail.isprintable()


@given(JSON, STATUSES)
def test_json_of_any_kind_is_a_value(content: object, status: int) -> None:
    autodiscover_json.read(answer(json.dumps(content).encode(), status), secrets=())


@given(st.text())
def test_any_address_can_be_asked_for(address: str) -> None:
    """What is written can be read back, and a path stays one path."""
    for body in (
        autodiscover_soap.request(address, url="https://mail.example.test/x"),
        autodiscover_pox.request(address),
        ews_folder.request(impersonate=address),
    ):
        soap.document(body, of="ourselves")
    path = autodiscover_json.path(address.encode(errors="ignore").decode())
    assert path.count("?") == 1
    assert path.count("/") == 4


def test_nothing_of_a_body_is_in_the_fault_of_a_malformed_answer() -> None:
    opened = ews_folder.opened(answer(b"<canary", 200), Question(host="h", mailbox="m"))
    assert opened.fault is not None
    assert opened.fault.fault is Fault.ANSWER_MALFORMED
    assert "canary" not in opened.fault.detail
