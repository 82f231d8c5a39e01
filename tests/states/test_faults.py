"""Every fault has one remedy, and every remedy a fault."""

from __future__ import annotations

from states import Fault
from states.microsoft_remedies import MICROSOFT_REMEDIES
from states.remedies import REMEDIES


def test_a_remedy_stands_in_one_table_only() -> None:
    """Of two sentences for one code, an edit would change the one that nobody reads."""
    assert MICROSOFT_REMEDIES.keys().isdisjoint(REMEDIES)


def test_no_remedy_outlives_its_fault() -> None:
    assert {*REMEDIES, *MICROSOFT_REMEDIES} == {fault.code for fault in Fault}


def test_a_code_belongs_to_one_fault() -> None:
    """An Enum takes a second member with the same value for another name of the first."""
    codes = [fault.code for fault in Fault.__members__.values()]
    assert sorted(codes) == sorted(set(codes))
