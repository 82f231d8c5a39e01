"""What the tests of the configuration share: a valid site as text, and a way to read text as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.config.ini import all_problems, read_config
from daemon.config.model import Reading

VALID = """\
[account]
smtp_address = engine@example.com

[binding]
email = admin@example.com
password = env:PASSWORD
application_id = app
application_key = file:key

"""

NOT_LOOKED_AT = "] require: includes "

Read = Callable[[str], Reading]
Findings = Callable[[str], list[str]]


@pytest.fixture
def valid() -> str:
    """A site without findings, nine lines long; a test adds its own lines behind it."""
    return VALID


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write text to config.ini, which only its owner may read, and read it."""

    def write_and_read(text: str) -> Reading:
        path = tmp_path / "config.ini"
        path.touch(mode=0o600)
        path.write_bytes(text.encode())
        return read_config(path)

    return write_and_read


@pytest.fixture
def findings(read: Read, tmp_path: Path) -> Findings:
    """The findings of a text as lines, with the file's folder taken off.

    What every file without a Microsoft side is told, that its steps are not looked at, is left out: it has tests of
    its own in test_microsoft_rules.py.
    """

    def found(text: str) -> list[str]:
        lines = [str(problem).removeprefix(f"{tmp_path}/") for problem in all_problems(read(text))]
        return [line for line in lines if NOT_LOOKED_AT not in line]

    return found
