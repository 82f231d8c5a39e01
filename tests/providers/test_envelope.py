"""Every shape of an answer and what it means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.ports import ProviderFault
from daemon.providers import envelope
from daemon.providers.answer import Answer
from daemon.providers.envelope import About, Complaint, Purpose
from states import Fault

START = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)

SECRET = "canary-of-the-envelope"


def answer(status: int, document: Any = None, *, body: bytes | None = None, ahead: float | None = 0) -> Answer:
    content = body if body is not None else json.dumps(document).encode()
    headers = {} if ahead is None else {"Date": format_datetime(START + timedelta(seconds=ahead), usegmt=True)}
    return Answer(status=status, headers=headers, body=content, json=document, request_id="id-4711")


def service(code: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"meta": {"status": 200}, "data": [], "fail": [{"errors": [{"code": code, "message": message, **more}]}]}


def gateway(code: str, message: str = "") -> dict[str, Any]:
    return {"fail": [{"code": code, "message": message}]}


def about(purpose: Purpose, *, dated: bool = True) -> About:
    return About(what="the call", purpose=purpose, secrets=(SECRET,), now=START if dated else None)


def fault_of(given: Answer, purpose: Purpose = Purpose.CALL, *, dated: bool = True) -> ProviderFault:
    with pytest.raises(ProviderFault) as caught:
        envelope.entry(given, about(purpose, dated=dated))
    assert SECRET not in f"{caught.value!r}"
    assert "request id id-4711" in caught.value.detail
    return caught.value


# --- the shapes --------------------------------------------------------------------------------

SHAPES = [
    (service("a", "b", field="c", retryable=True), Complaint(code="a", message="b", field="c", retryable=True)),
    ({"fail": [{"key": "user@example.test", "errors": [{"code": "a"}]}]}, Complaint(code="a")),
    (gateway("a", "b"), Complaint(code="a", message="b")),
    ({"errors": [{"code": "a", "message": "b"}]}, Complaint(code="a", message="b")),
    ({"errors": ["b"]}, Complaint(message="b")),
    ({"error": "a", "error_description": "b"}, Complaint(code="a", message="b")),
    ({"error": {"code": "a", "message": "b"}}, Complaint(code="a", message="b")),
    ({"fail": {"code": "a"}}, Complaint(code="a")),
    ({"fail": [{"errors": {"code": "a"}}]}, Complaint(code="a")),
    ({"fail": [{}]}, Complaint()),
    ({"fail": [None]}, Complaint()),
    ({"fail": "b"}, Complaint(message="b")),
    ({"fail": [{"code": 7, "message": ["x"]}]}, Complaint()),
]


@pytest.mark.parametrize("document,complaint", SHAPES)
def test_every_shape_of_an_error_is_read(document: Any, complaint: Complaint) -> None:
    assert envelope.complaints(document) == (complaint,)


@pytest.mark.parametrize(
    "document", [None, [], "x", 7, {}, {"fail": []}, {"fail": None}, {"errors": []}, {"error": ""}]
)
def test_no_error_is_seen_where_none_is(document: Any) -> None:
    assert envelope.complaints(document) == ()


def test_the_first_entry_is_given() -> None:
    found = answer(200, {"meta": {"status": 200}, "data": [{"a": 1}], "fail": []})
    assert envelope.entry(found, about(Purpose.CALL)) == {"a": 1}


# --- what they mean ----------------------------------------------------------------------------

ENVELOPES = [
    # The status first.
    (answer(429, gateway("too_many_requests")), Purpose.SIGN_IN, Fault.THROTTLED),
    (answer(429, body=b"slow down"), Purpose.CALL, Fault.THROTTLED),
    (answer(500, service("err_developer_key")), Purpose.CALL, Fault.SERVICE_ERROR),
    (answer(503, body=b"Service Unavailable"), Purpose.TOKEN, Fault.SERVICE_ERROR),
    (answer(418, service("anything")), Purpose.CALL, Fault.BINDING_EXPIRED),
    (answer(418, body=b""), Purpose.CALL, Fault.BINDING_EXPIRED),
    (answer(400, body=b""), Purpose.CALL, Fault.REQUEST_REFUSED),
    (answer(404, service("err_not_found")), Purpose.CALL, Fault.REQUEST_REFUSED),
    (answer(405, body=b""), Purpose.CALL, Fault.REQUEST_REFUSED),
    (answer(408, body=b""), Purpose.CALL, Fault.TIMED_OUT),
    (answer(409, service("x")), Purpose.CALL, Fault.REQUEST_REFUSED),
    (answer(403, body=b""), Purpose.CALL, Fault.PERMISSION_MISSING),
    (answer(403, gateway("app_forbidden")), Purpose.CALL, Fault.PERMISSION_MISSING),
    (answer(403, service("err_audit_log_incorrect_region")), Purpose.SIGN_IN, Fault.WRONG_REGION),
    (answer(403, service("err_new", "Wrong region")), Purpose.CALL, Fault.WRONG_REGION),
    # The same 401 stands for different mistakes.
    (answer(401, service("err_xdk_invalid_signature")), Purpose.CALL, Fault.KEYS_REFUSED),
    (answer(401, gateway("token_verification_failed")), Purpose.CALL, Fault.KEYS_REFUSED),
    (answer(401, service("err_xdk_binding_expired")), Purpose.CALL, Fault.BINDING_EXPIRED),
    (answer(401, body=b""), Purpose.CALL, Fault.KEYS_REFUSED),
    (answer(401, {"error": "invalid_client"}), Purpose.TOKEN, Fault.APPLICATION_REFUSED),
    (answer(400, {"error": "invalid_client"}), Purpose.TOKEN, Fault.APPLICATION_REFUSED),
    (answer(401, gateway("unauthorized")), Purpose.DISCOVER, Fault.APPLICATION_REFUSED),
    (answer(401, body=b""), Purpose.SIGN_IN, Fault.CREDENTIALS_REFUSED),
    (answer(401, service("err_new", "Nobody knows this")), Purpose.SIGN_IN, Fault.CREDENTIALS_REFUSED),
    (answer(401, service("x", "0001 Something")), Purpose.SIGN_IN, Fault.AUTHENTICATION_TYPE_REFUSED),
    (answer(401, service("err_account_locked")), Purpose.SIGN_IN, Fault.ACCOUNT_LOCKED),
    (answer(401, service("x", "User locked out")), Purpose.SIGN_IN, Fault.ACCOUNT_LOCKED),
    (answer(401, service("x", "Blocked by policy")), Purpose.SIGN_IN, Fault.CREDENTIALS_REFUSED),
    (answer(401, service("x", "bad login: locked@example.test")), Purpose.SIGN_IN, Fault.CREDENTIALS_REFUSED),
    (answer(401, service("x", "2-Step required")), Purpose.SIGN_IN, Fault.TWO_STEP_REQUIRED),
    (answer(401, service("err_two_step_required")), Purpose.SIGN_IN, Fault.TWO_STEP_REQUIRED),
    (answer(401, service("x", "Two-step verification")), Purpose.SIGN_IN, Fault.TWO_STEP_REQUIRED),
    (answer(401, service("x", "2FA needed")), Purpose.SIGN_IN, Fault.TWO_STEP_REQUIRED),
    (answer(401, service("x", "MFA needed")), Purpose.SIGN_IN, Fault.TWO_STEP_REQUIRED),
    (answer(401, service("x", "Password has expired")), Purpose.SIGN_IN, Fault.PASSWORD_EXPIRED),
    (answer(401, service("x", "Invalid Credentials")), Purpose.REFRESH, Fault.CREDENTIALS_REFUSED),
    (answer(401, service("x", "User locked")), Purpose.REFRESH, Fault.ACCOUNT_LOCKED),
    (answer(401, service("x", "Unknown Access Key")), Purpose.REFRESH, Fault.KEYS_REFUSED),
    (answer(401, body=b""), Purpose.REFRESH, Fault.KEYS_REFUSED),
    # HTTP 200 can be a failure.
    (answer(200, service("err_developer_key")), Purpose.SIGN_IN, Fault.APPLICATION_REFUSED),
    (answer(200, service("err_xdk_binding_expired")), Purpose.CALL, Fault.BINDING_EXPIRED),
    (answer(200, service("err_xdk_invalid_signature")), Purpose.CALL, Fault.KEYS_REFUSED),
    (answer(200, service("err_xdk_operation_forbidden_for_address")), Purpose.CALL, Fault.PERMISSION_MISSING),
    (answer(200, service("err_validation_invalid_email_address")), Purpose.DISCOVER, Fault.ADDRESS_UNKNOWN),
    (answer(200, service("err_validation_invalid_email_address")), Purpose.CALL, Fault.REQUEST_REFUSED),
    (answer(200, service("err_new")), Purpose.CALL, Fault.REQUEST_REFUSED),
    (answer(200, service("err_new", retryable=True)), Purpose.CALL, Fault.SERVICE_ERROR),
    (answer(200, {"fail": [{}]}), Purpose.CALL, Fault.REQUEST_REFUSED),
    (answer(200, {"meta": {"status": 418}, "data": []}), Purpose.CALL, Fault.BINDING_EXPIRED),
    (answer(200, {"meta": {"status": 500}}), Purpose.CALL, Fault.SERVICE_ERROR),
    # What is not the service's.
    (answer(200, body=b""), Purpose.CALL, Fault.ANSWER_MALFORMED),
    (answer(200, body=b"<html>"), Purpose.CALL, Fault.ANSWER_MALFORMED),
    (answer(204, body=b""), Purpose.CALL, Fault.ANSWER_MALFORMED),
    (answer(200, []), Purpose.CALL, Fault.ANSWER_MALFORMED),
    (answer(200, {}), Purpose.CALL, Fault.ANSWER_MALFORMED),
    (answer(200, {"data": []}), Purpose.CALL, Fault.ANSWER_MALFORMED),
    (answer(200, {"data": [7]}), Purpose.CALL, Fault.ANSWER_MALFORMED),
    (answer(200, {"data": {"0": {}}}), Purpose.CALL, Fault.ANSWER_MALFORMED),
    (answer(200, {"meta": "fine", "data": None, "fail": None}), Purpose.CALL, Fault.ANSWER_MALFORMED),
    (answer(200, {"meta": {"status": "200"}}), Purpose.CALL, Fault.ANSWER_MALFORMED),
]


@pytest.mark.parametrize("given,purpose,fault", ENVELOPES)
def test_what_an_answer_means(given: Answer, purpose: Purpose, fault: Fault) -> None:
    """Status first, codes open-ended."""
    assert fault_of(given, purpose).fault is fault


SIGNATURE = service("err_xdk_invalid_signature", "0004 Invalid Signature")
DATE = service("err_xdk_request_expired", "0005 Request Date Out Of Range")
SKEWS = [
    (SIGNATURE, Purpose.CALL, 301, Fault.CLOCK_SKEWED),
    (SIGNATURE, Purpose.CALL, -301, Fault.CLOCK_SKEWED),
    (SIGNATURE, Purpose.CALL, 299, Fault.KEYS_REFUSED),
    (SIGNATURE, Purpose.CALL, None, Fault.KEYS_REFUSED),
    (DATE, Purpose.SIGN_IN, 3600, Fault.CLOCK_SKEWED),
    (DATE, Purpose.REFRESH, 3600, Fault.CLOCK_SKEWED),
    (DATE, Purpose.SIGN_IN, None, Fault.CLOCK_SKEWED),
    (service("x", "Invalid Credentials"), Purpose.SIGN_IN, 3600, Fault.CREDENTIALS_REFUSED),
    (service("x", "Account locked"), Purpose.SIGN_IN, 3600, Fault.ACCOUNT_LOCKED),
    (service("x", "Nobody knows this"), Purpose.SIGN_IN, 3600, Fault.CLOCK_SKEWED),
]


@pytest.mark.parametrize("document,purpose,ahead,fault", SKEWS)
def test_a_wrong_clock_is_noticed_where_the_date_is_judged(
    document: Any, purpose: Purpose, ahead: float | None, fault: Fault
) -> None:
    """More than five minutes, and the refusal leaves room for it: else the remedy would mislead."""
    assert fault_of(answer(401, document, ahead=ahead), purpose).fault is fault


def test_a_wrong_clock_names_both_times() -> None:
    detail = fault_of(answer(401, SIGNATURE, ahead=3600)).detail
    assert "2026-01-05 03:00:00 UTC" in detail
    assert "2026-01-05 04:00:00 UTC" in detail


def test_at_the_limit_of_bindings_the_way_out_is_named() -> None:
    assert "only so many bindings" in fault_of(answer(409, service("x")), Purpose.SIGN_IN).detail


def test_where_no_date_is_judged_no_clock_is_blamed() -> None:
    """API 2.0 signs nothing."""
    given = answer(401, gateway("token_verification_failed"), ahead=3600)
    assert fault_of(given, dated=False).fault is Fault.KEYS_REFUSED


# --- how it is said ----------------------------------------------------------------------------


def test_the_services_words_are_quoted_without_secrets_and_control_characters() -> None:
    detail = fault_of(answer(401, service("err_x", f"no\x1b[31m {SECRET}\r\nok " + "x" * 500))).detail
    assert 'err_x "no[31m *** ok xxx' in detail
    assert len(detail) < 500


def test_a_page_instead_of_json_is_mentioned() -> None:
    """A firewall's 403 looks like the service's at first sight."""
    assert "not JSON" in fault_of(answer(403, body=b"<html>blocked</html>")).detail
    assert "blocked" not in fault_of(answer(403, body=b"<html>blocked</html>")).detail


def test_the_status_inside_is_named() -> None:
    assert "HTTP 200 with status 500 inside" in fault_of(answer(200, {"meta": {"status": 500}})).detail


def test_the_wait_that_was_asked_for_is_handed_on() -> None:
    given = Answer(status=429, headers={}, body=b"", json=None, request_id="id-4711", retry_after=2.5)
    assert fault_of(given).retry_after == 2.5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["meta", "status", "data", "fail", "errors", "error", "code", "message", "field"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON, st.integers(200, 599), st.sampled_from(Purpose))
def test_whatever_comes_nothing_but_a_fault_is_raised(document: Any, status: int, purpose: Purpose) -> None:
    """A stranger's JSON is no reason to crash, and a failure never passes for an answer."""
    given_answer = Answer(status=status, headers={}, body=b"x", json=document)
    try:
        found = envelope.entry(given_answer, about(purpose))
    except ProviderFault:
        return
    assert found is document["data"][0]
    assert status < 300
