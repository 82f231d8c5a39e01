"""`make doctor-table`: runs every case and writes the table of `docs/doctor.md` from what the doctor said.

The tables of error codes in `docs/microsoft.md` are written anew beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.doctor import microsoft_tables, table
from tests.doctor.cases import CASES
from tests.doctor.microsoft_cases import MICROSOFT_CASES


class Rows:
    """Collects the row of every case in the order of the run."""

    def __init__(self) -> None:
        self.rows: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.rows += [str(value) for name, value in report.user_properties if name == "row"]


if __name__ == "__main__":
    microsoft_tables.rewrite()
    found = Rows()
    here = Path(__file__).parent
    pytest.main([str(here / "test_faults.py"), "-q", "--tb=line", "--show-capture=no"], plugins=[found])
    cases = (*CASES, *MICROSOFT_CASES)
    if len(found.rows) != len(cases):
        sys.exit(f"{len(cases) - len(found.rows)} faults are not named as they should be; {table.PAGE} stays as it is")
    table.rewrite(found.rows)
    sys.stdout.write(f"{table.PAGE}: {len(found.rows)} faults\n")
