"""The measurement of the Active Directory runs, briefly, and gives all its rows."""

from __future__ import annotations

import pytest

from bench.directory import rows

EXPECTED = (
    "lookups : ldap3",
    "lookups : ldap3 in 8 threads",
    "everybody by pages : ldap3",
    "longest stall : limit",
    "longest stall : ldap3 in threads",
    "peak memory : ldap3",
)


@pytest.mark.slow
@pytest.mark.parts
@pytest.mark.root
@pytest.mark.timeout(240)
def test_a_quick_run_gives_every_row() -> None:
    """A real domain controller; numbers are not looked at, only that each was measured."""
    found = rows(quick=True)
    assert [row.name for row in found] == [f"2,500 AD users, {name}" for name in EXPECTED]
    assert all(row.ours > 0 for row in found)
