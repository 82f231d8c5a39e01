"""Every fault is injected alone into a site that was well, and the doctor of a running daemon names its layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from daemon.sandbox.tenant import DEMO_GRAPH_SECRET, DEMO_MAILBOX_PASSWORD
from daemon.sandbox.world import DEMO_APPLICATION_KEY, DEMO_CLIENT_SECRET, DEMO_PASSWORD
from tests.doctor import table
from tests.doctor.cases import CASES, Case
from tests.doctor.conftest import Opened
from tests.doctor.microsoft_cases import MICROSOFT_CASES

pytestmark = pytest.mark.slow

SECRETS = (DEMO_PASSWORD, DEMO_APPLICATION_KEY, DEMO_CLIENT_SECRET, "Wr0ng!", "Q09SUFxzdmM6V3IwbmchCg")
Record = Callable[[str, object], None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
async def test_the_layer_of_a_fault_is_named(case: Case, clinic: Opened, record_property: Record) -> None:
    """The first failed layer is the right one, with evidence, a remedy, no secret, and nothing behind it tried."""
    async with clinic(method=case.method) as ward:
        held = ward.run.now().binding
        await case.make_ill(ward)
        layers = await ward.examined(sign_in=case.sign_in)
        assert ward.run.now().binding == held
    failed = [layer for layer in layers if layer["status"] == "failed"]
    assert [layer["step"] for layer in failed] == [case.layer], layers
    assert case.says in failed[0]["detail"]
    assert failed[0]["remedy"]
    assert not [secret for secret in SECRETS if secret in str(layers)]
    behind = layers[layers.index(failed[0]) + 1 :]
    last = [layer for layer in behind if layer["detail"] == f"not reached because {case.layer} failed"]
    assert last or case.layer == "role"
    row = table.row(case.fault, case.layer, failed[0]["remedy"])
    record_property("row", row)
    assert row in table.written(), "docs/doctor.md is out of date: make doctor-table"


@pytest.mark.parametrize("case", MICROSOFT_CASES, ids=lambda case: case.fault)
async def test_the_layer_of_a_fault_of_the_microsoft_side_is_named(
    case: Case, clinic: Opened, record_property: Record
) -> None:
    """The first failed layer is the right one; mailbox and directory may share a sign-in, and then both fail."""
    async with clinic(microsoft=case.microsoft, require="none") as ward:
        await case.make_ill(ward)
        layers = await ward.examined()
    failed = [layer for layer in layers if layer["status"] == "failed"]
    assert failed, layers
    assert failed[0]["step"] == case.layer, layers
    assert {layer["step"] for layer in failed[1:]} <= {"directory sign-in", "lookup", "mail enabled"}, layers
    assert case.says in failed[0]["detail"]
    assert failed[0]["remedy"]
    assert not [secret for secret in (*SECRETS, DEMO_GRAPH_SECRET, DEMO_MAILBOX_PASSWORD) if secret in str(layers)]
    row = table.row(case.fault, case.layer, failed[0]["remedy"])
    record_property("row", row)
    assert row in table.written(), "docs/doctor.md is out of date: make doctor-table"


def test_the_document_shows_these_faults_and_no_others() -> None:
    """In the order of the cases; `make doctor-table` writes it anew."""
    assert [line.split(" | ")[0].removeprefix("| ") for line in table.written()] == [
        case.fault for case in (*CASES, *MICROSOFT_CASES)
    ]


def test_there_are_faults_enough() -> None:
    """Twenty are promised, over every layer that can fail."""
    assert len(CASES) >= 20
    assert len({case.layer for case in CASES}) >= 15
