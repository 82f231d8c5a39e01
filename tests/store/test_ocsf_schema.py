"""Every event that we write as OCSF is held to the framework's own schema, as JSON Schema made of it offline."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from daemon.ports import AuditRecord
from daemon.store import audit_meaning, audit_ocsf
from daemon.store.audit_ocsf import VERSION, ocsf_event
from states import EVENTS
from tests.store.test_export_forms import RECORD, records

KNOWN = sorted(
    {
        *audit_ocsf.AT_THE_SERVICE, *audit_ocsf.AT_THE_PAGE, *audit_ocsf.OF_TOKENS, *audit_ocsf.OF_THE_API,
        *audit_meaning._FAILURES, *audit_meaning._SUCCESSES, *(event.trigger for event in EVENTS),
        "of_a_later_version",
    }
)  # fmt: skip
ACTORS = ["daemon", "http:127.0.0.1", "token:ops(t-1a2b3c4d)@2001:db8::7", "unix:uid=0", ""]


@cache
def schema() -> OcsfJsonSchemaEmbedded:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))


@cache
def validator(class_uid: int) -> Draft202012Validator:
    """Of one class, with every object in it; attributes that it does not know are errors."""
    name = schema().lookup_class_name_from_uid(class_uid=class_uid)
    found = schema().get_class_schema(class_name=name)
    assert found["additionalProperties"] is False
    return Draft202012Validator(found, format_checker=Draft202012Validator.FORMAT_CHECKER)


def wrong(event: dict[str, Any]) -> list[str]:
    return [
        f"{list(error.absolute_path)}: {error.message}" for error in validator(event["class_uid"]).iter_errors(event)
    ]


@pytest.mark.parametrize("event", KNOWN)
def test_each_event_fits_the_schema_of_its_class(event: str) -> None:
    """Whoever did it, with and without a request id, also when it is about no site, and when its time is damaged."""
    record = replace(RECORD, event=event, detail={"name": "ops", "token": "t-1", "fault": "unreachable"})
    for actor in ACTORS:
        assert wrong(ocsf_event(replace(record, actor=actor))) == []
    assert wrong(ocsf_event(replace(record, request_id=None, site="", at="never", detail={}))) == []


@given(records)
def test_no_field_makes_an_event_that_does_not_fit(record: AuditRecord) -> None:
    assert wrong(ocsf_event(record)) == []


@pytest.mark.parametrize("event", ["bind_failed", "token_created", "config_written"])
def test_the_schema_finds_what_does_not_fit(event: str) -> None:
    """It is worth asking: a missing attribute, one that there is not, and a value out of its list."""
    found = ocsf_event(replace(RECORD, event=event))
    assert wrong({key: value for key, value in found.items() if key != "time"})
    assert wrong({**found, "colour": "red"})
    assert wrong({**found, "severity_id": 77})
    assert wrong({**found, "metadata": {**found["metadata"], "sequence": "17"}})
