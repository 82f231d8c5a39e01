"""The proxy of the process's environment, and what of it is never said."""

from __future__ import annotations

import pytest

from daemon.config.environment import NamedProxy, all_of, exceptions_named_in, proxy_named_in
from daemon.config.problems import BadValue
from daemon.ports import Secret


@pytest.mark.parametrize(
    "text, expected",
    [
        ("http://proxy.example.com:3128", ("proxy.example.com", 3128, "", None)),
        ("http://proxy.example.com:3128/", ("proxy.example.com", 3128, "", None)),
        ("HTTP://Proxy.example.com", ("proxy.example.com", 80, "", None)),
        ("proxy:8080", ("proxy", 8080, "", None)),
        ("proxy", ("proxy", 80, "", None)),
        ("http://[::1]:3128", ("::1", 3128, "", None)),
        ("http://me:hush@proxy:1", ("proxy", 1, "me", "hush")),
        ("me:hush@proxy:1", ("proxy", 1, "me", "hush")),
        ("http://CORP%5Cme:p%40s%3As%25@proxy:1", ("proxy", 1, "CORP\\me", "p@s:s%")),
        ("http://me%40corp.example.com:p@ss@proxy:1", ("proxy", 1, "me@corp.example.com", "p@ss")),
        ("http://j%C3%BCrgen:%E2%98%83@proxy:1", ("proxy", 1, "jürgen", "☃")),
        ("http://me@proxy:1", ("proxy", 1, "me", "")),
    ],
)
def test_a_proxy_is_read_from_its_url(text: str, expected: tuple[str, int, str, str | None]) -> None:
    """The sign-in is percent-decoded; without a scheme it is http."""
    host, port, username, password = expected
    assert proxy_named_in({"HTTPS_PROXY": f" {text} "}) == NamedProxy(
        variable="HTTPS_PROXY",
        host=host,
        port=port,
        username=username,
        password=None if password is None else Secret(password),
    )


@pytest.mark.parametrize(
    "text, says",
    [
        ("https://me:hush@proxy:1", "of the kind https://"),
        ("socks5h://me:hush@proxy:1", "of the kind socks5h://"),
        ("hush://proxy", "more or less than scheme"),
        ("http://me:pa/hush@proxy:1", "cannot be read"),
        ("http://me/hush@proxy:1", "more or less than scheme"),
        ("http://proxy:1/hush", "more or less than scheme"),
        ("http://proxy:1?hush", "more or less than scheme"),
        ("http://proxy:1#hush", "more or less than scheme"),
        ("http://proxy:hush", "cannot be read"),
        ("http://[hush", "cannot be read"),
        ("http://hush_!:1", "no usable host"),
        ("http://", "no usable host"),
        ("http://me:hush%FF@proxy:1", "not percent-encoded UTF-8"),
    ],
)
def test_what_cannot_be_used_is_said_without_a_word_of_it(text: str, says: str) -> None:
    """A variable often holds a password, and a mistake in it makes any part of it the password."""
    with pytest.raises(BadValue, match=says) as caught:
        proxy_named_in({"https_proxy": text})
    assert "https_proxy" in str(caught.value)
    assert "HOST:PORT" in caught.value.hint
    assert "hush" not in f"{caught.value}{caught.value.hint}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_lower_case_goes_first_and_an_empty_variable_is_none() -> None:
    """As with curl."""
    both = {"https_proxy": "low:1", "HTTPS_PROXY": "high:1", "no_proxy": "a", "NO_PROXY": "b"}
    found = proxy_named_in(both)
    assert found is not None
    assert (found.variable, found.host) == ("https_proxy", "low")
    assert exceptions_named_in(both) == ("a",)
    other = proxy_named_in(both | {"https_proxy": " "})
    assert other is not None
    assert other.variable == "HTTPS_PROXY"
    for nothing in ({}, {"HTTPS_PROXY": ""}, {"HTTP_PROXY": "x:1", "ALL_PROXY": "x:1"}):
        assert proxy_named_in(nothing) is None


def test_exceptions_are_separated_by_commas_and_blanks() -> None:
    assert exceptions_named_in({"NO_PROXY": " a, b c,,10.0.0.0/8 a "}) == ("a", "b", "c", "10.0.0.0/8")
    assert exceptions_named_in({}) == ()


def test_whatever_changes_the_way_out_changes_its_digest() -> None:
    """Another password too, and nothing else."""
    first = {"HTTPS_PROXY": "http://me:one@p:1", "NO_PROXY": "a,b", "PATH": "x"}
    assert all_of(first) == all_of(first | {"PATH": "y", "NO_PROXY": " a b"})
    for change in ({"HTTPS_PROXY": "http://me:two@p:1"}, {"NO_PROXY": "a"}, {"https_proxy": "q:1"}):
        assert all_of(first) != all_of(first | change)
