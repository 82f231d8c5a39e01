"""Foreign text in our own sentences."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.providers.quoting import LONGEST, quoted

SECRET = "p/w+r d&ü€"


@pytest.mark.parametrize(
    "form", [SECRET, quote_plus(SECRET), base64.b64encode(SECRET.encode()).decode(), "p/w+r\n d&ü€"]
)
def test_a_secret_is_taken_out_in_every_spelling(form: str) -> None:
    assert quoted(f"bad login {form}!", secrets=(SECRET,)) == "bad login ***!"


def test_a_secret_hidden_with_control_characters_is_taken_out() -> None:
    assert quoted("x pass\x00wo\u200brd y", secrets=("password",)) == "x *** y"


def test_a_secret_at_the_cut_leaves_no_half() -> None:
    assert "hunter" not in quoted("x" * (LONGEST - 4) + "hunter2!", secrets=("hunter2!",))


def test_an_empty_secret_takes_out_nothing() -> None:
    assert quoted("hello", secrets=("",)) == "hello"


@pytest.mark.parametrize("value", [None, 7, {}, [], b"x"])
def test_what_is_not_text_is_empty(value: object) -> None:
    assert quoted(value) == ""


@given(st.text())
def test_whatever_comes_is_one_short_printable_line(text: str) -> None:
    """No line break, no escape sequence and no change of direction reaches a log or a terminal."""
    shown = quoted(text)
    assert shown.isprintable()
    assert len(shown) <= LONGEST + 1
