"""Syslog, CEF and OCSF: a golden line each, strict parsers, and fields that try to break out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import __version__
from daemon.ports import AuditRecord
from daemon.store.audit import LINES
from daemon.store.audit_cef import cef_line
from daemon.store.audit_ocsf import ocsf_event, ocsf_line
from daemon.store.audit_syslog import counted, syslog_line
from tests.store import collectors

RECORD = AuditRecord(
    seq=17,
    at="2026-11-23T12:00:00.250000Z",
    site="default",
    actor="token:ops(t-1a2b3c4d)@192.0.2.7",
    event="bind_failed",
    before="binding",
    after="failed",
    request_id="r-1",
    detail={"fault": "credentials-refused", "attempt": 2},
    previous_hash="a" * 64,
    hash="b" * 64,
)
NASTY = 'x" y=1 ] |\\ \n<110>1 - - - - - -\r\nCEF:0|a|b\x00\x1b[2J\u2028\\" a=\\n é'


def test_a_record_as_syslog() -> None:
    assert syslog_line(RECORD) == (
        '<108>1 2026-11-23T12:00:00.250000Z - sitebind - bind_failed [meta sequenceId="17"][sitebind@32473 seq="17" '
        'site="default" actor="token:ops(t-1a2b3c4d)@192.0.2.7" event="bind_failed" before="binding" after="failed" '
        f'requestId="r-1" outcome="failure" previousHash="{"a" * 64}" hash="{"b" * 64}"] '
        '{"attempt":2,"fault":"credentials-refused"}'
    )


def test_a_record_as_cef() -> None:
    assert cef_line(RECORD) == (
        f"CEF:0|sitebind|sitebind|{__version__}|bind_failed|bind failed: binding -> failed|6|rt=1795435200250 "
        "externalId=17 outcome=failure suser=token:ops(t-1a2b3c4d)@192.0.2.7 src=192.0.2.7 cs1Label=site cs1=default "
        "cs2Label=before cs2=binding cs3Label=after cs3=failed cs4Label=requestId cs4=r-1 "
        f"cs5Label=hash cs5={'b' * 64} cs6Label=previousHash cs6={'a' * 64} "
        'msg={"attempt":2,"fault":"credentials-refused"}'
    )


def test_a_record_as_ocsf() -> None:
    assert json.loads(ocsf_line(RECORD)) == {
        "activity_id": 1,
        "activity_name": "Logon",
        "actor": {"user": {"name": "token:ops(t-1a2b3c4d)@192.0.2.7"}},
        "category_name": "Identity & Access Management",
        "category_uid": 3,
        "class_name": "Authentication",
        "class_uid": 3002,
        "message": "bind failed: binding -> failed",
        "metadata": {
            "correlation_uid": "r-1",
            "event_code": "bind_failed",
            "log_name": "audit",
            "original_time": "2026-11-23T12:00:00.250000Z",
            "product": {"name": "sitebind", "vendor_name": "sitebind", "version": __version__},
            "sequence": 17,
            "uid": "b" * 64,
            "version": "1.3.0",
        },
        "service": {"name": "Mimecast"},
        "severity": "Medium",
        "severity_id": 3,
        "src_endpoint": {"ip": "192.0.2.7"},
        "status": "Failure",
        "status_id": 2,
        "time": 1795435200250,
        "type_name": "Authentication: Logon",
        "type_uid": 300201,
        "unmapped": {
            "after": "failed",
            "before": "binding",
            "detail": {"attempt": 2, "fault": "credentials-refused"},
            "hash": "b" * 64,
            "previous_hash": "a" * 64,
            "site": "default",
        },
        "user": {"name": "default", "type": "Site", "type_id": 99},
    }


REQUIRED = {3001: {"user"}, 3002: {"user", "service"}, 6003: {"actor", "api", "src_endpoint"}}
ALWAYS = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}


@pytest.mark.parametrize(
    "event, kind, activity",
    [
        ("bind_succeeded", 3002, 1), ("keys_revoked", 3002, 2), ("signed_in", 3002, 1), ("signed_out", 3002, 2),
        ("token_created", 3001, 1), ("token_revoked", 3001, 6), ("audit_exported", 6003, 2), ("vault_rekeyed", 6003, 3),
        ("config_withdrawn", 6003, 4), ("audit_pruned", 6003, 4),
        ("call_refused", 6003, 99), ("of_a_later_version", 6003, 99),
    ],
)  # fmt: skip
def test_each_event_is_of_a_class_with_what_it_requires(event: str, kind: int, activity: int) -> None:
    found = ocsf_event(replace(RECORD, event=event, detail={"name": "ops", "token": "t-1"}, request_id=None))
    assert (found["class_uid"], found["activity_id"], found["type_uid"]) == (kind, activity, kind * 100 + activity)
    assert found.keys() >= ALWAYS | REQUIRED[kind]
    assert activity != 99 or found["activity_name"] == event


@pytest.mark.parametrize(
    "actor, address",
    [
        ("http:127.0.0.1", "127.0.0.1"), ("http:::1", "::1"), ("token:x(t-1)@2001:db8::7", "2001:db8::7"),
        ("daemon", ""), ("unix:uid=0", ""), ("cli:10.0.0.1", ""), ("http:999.1.1.1", ""), ("", ""),
    ],
)  # fmt: skip
def test_an_address_is_told_where_the_actor_has_one(actor: str, address: str) -> None:
    record = replace(RECORD, actor=actor)
    assert ocsf_event(record)["src_endpoint"] == ({"ip": address} if address else {"name": actor or "unknown"})
    _, extension = collectors.cef(cef_line(record))
    assert extension.get("c6a2" if ":" in address else "src", "") == address


def test_a_damaged_record_is_a_valid_message_all_the_same() -> None:
    record = replace(RECORD, at="yesterday\n", event="\u00e4 b\n" * 40, detail={"damaged": "{\n"}, seq=2**31)
    header, elements = collectors.syslog(syslog_line(record))
    assert (header["at"], elements["meta"]) == ("-", {"sequenceId": "1"})
    assert "rt" not in collectors.cef(cef_line(record))[1]
    assert ocsf_event(record)["time"] == 0


texts = st.one_of(st.text(max_size=40), st.just(NASTY))
records = st.builds(
    AuditRecord,
    seq=st.integers(1, 2**40), at=st.just(RECORD.at), site=texts, actor=texts, event=texts, before=texts, after=texts,
    request_id=st.one_of(st.none(), texts), detail=st.dictionaries(texts, texts, max_size=3), previous_hash=texts,
    hash=texts,
)  # fmt: skip


def tamed(text: str) -> str:
    """As a line holds it."""
    return "".join(
        f"\\u{ord(one):04x}" if ord(one) < 32 or 127 <= ord(one) < 160 or one in "\u2028\u2029" else one for one in text
    )


@given(records)
def test_no_field_breaks_out_of_a_syslog_message(record: AuditRecord) -> None:
    """One line, two elements, and every field as it was."""
    line = syslog_line(record)
    assert line.splitlines() == [line]
    header, elements = collectors.syslog(line)
    assert list(elements) == ["meta", "sitebind@32473"]
    own = elements["sitebind@32473"]
    for name in ("site", "actor", "event", "before", "after", "hash"):
        assert own[name] == tamed(getattr(record, name))
    assert json.loads(header["msg"]) == record.detail


@given(records)
def test_no_field_breaks_out_of_a_cef_message(record: AuditRecord) -> None:
    """Seven fields, and no key that we did not write."""
    header, extension = collectors.cef(cef_line(record))
    assert header[1:4] == ["sitebind", "sitebind", __version__]
    ours = {"rt", "externalId", "outcome", "suser", "src", "c6a2", "c6a2Label", "msg"}
    ours |= {f"cs{number}{label}" for number in range(1, 7) for label in ("", "Label")}
    assert extension.keys() <= ours
    if record.actor:
        assert tamed(extension["suser"]) == tamed(record.actor)


@given(records)
def test_no_field_breaks_out_of_an_ocsf_line(record: AuditRecord) -> None:
    line = ocsf_line(record)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    assert (found["unmapped"]["site"], found["actor"]["user"]["name"]) == (record.site, record.actor)


@given(st.lists(records, max_size=4))
def test_a_stream_is_taken_apart_by_its_counts(found: list[AuditRecord]) -> None:
    lines = [syslog_line(record) for record in found]
    stream = "".join(map(counted, lines)).encode()
    assert collectors.octets(stream) == lines


def test_there_is_a_form_for_every_name() -> None:
    assert set(LINES) == {"jsonl", "csv", "syslog", "cef", "ocsf"}
