"""Which hosts are reached without the proxy."""

from __future__ import annotations

import pytest

from daemon.config import addresses
from daemon.config.problems import BadValue
from daemon.providers.no_proxy import goes_direct

DIRECT = [
    ("*", "api.mimecast.com", 443),
    ("corp.test", "corp.test", 443),
    ("corp.test", "mail.corp.test", 443),
    (".corp.test", "mail.corp.test", 443),
    ("*.corp.test", "a.b.corp.test", 443),
    ("*.corp", "mail.corp", 443),
    ("srv?.corp.test", "srv1.corp.test", 443),
    ("CORP.Test.", "Mail.corp.test.", 443),
    ("corp.test:443", "mail.corp.test", 443),
    ("*:8443", "anything.test", 8443),
    (" localhost ", "localhost", 443),
    ("10.0.0.0/8", "10.1.2.3", 443),
    ("10.1.2.3/8", "10.9.9.9", 443),
    ("10.1.2.3", "10.1.2.3", 443),
    ("10.1.2.3:443", "10.1.2.3", 443),
    ("10.*", "10.1.2.3", 443),
    ("10.0.0.0/8", "::ffff:10.1.2.3", 443),
    ("fd00::/8", "fd12::1", 443),
    ("::1", "::1", 443),
    ("[::1]", "[::1]", 443),
    ("[::1]:443", "::1", 443),
    ("::1", "0:0:0:0:0:0:0:1", 443),
    ("10.0.0.0/8:443", "10.1.2.3", 443),
    ("[fd00::/8]:443", "fd12::1", 443),
    ("[fd00::/8]", "fd12::1", 443),
    ("fd00::1/8", "fdff::9", 443),
    ("fe80::*", "fe80::1", 443),
    ("10.1.2.?", "10.1.2.3", 443),
    ("*.corp.test:8443", "a.corp.test", 8443),
    (".corp.test:8443", "a.corp.test", 8443),
    ("*mail*", "eu-mail-1.corp.test", 443),
    ("<local>", "intranet", 443),
    ("<LOCAL>", "intranet", 443),
    ("xn--bcher-kva.test", "www.xn--bcher-kva.test", 443),
]
PROXIED = [
    ("", "api.mimecast.com", 443),
    (" ", "api.mimecast.com", 443),
    ("corp.test", "notcorp.test", 443),
    ("corp.test", "corp.test.evil.example", 443),
    (".corp.test", "corp.test", 443),
    ("*.corp.test", "corp.test", 443),
    ("corp.test:8443", "corp.test", 443),
    ("10.0.0.0/8", "11.0.0.1", 443),
    ("10.0.0.0/8", "10.example.test", 443),
    ("10.0.0.0/99", "10.1.2.3", 443),
    ("0.0.1", "10.0.0.1", 443),
    ("fd00::/8", "10.1.2.3", 443),
    ("[::1]:8443", "::1", 443),
    (":", "::1", 443),
    ("10.0.0.0/8:8443", "10.1.2.3", 443),
    ("[fd00::/8]:8443", "fd12::1", 443),
    ("fd00::/8", "fe80::1", 443),
    ("10.1.2.?", "10.1.2.33", 443),
    ("*.corp.test:8443", "a.corp.test", 443),
    ("*.corp.test", "a.corp.test.evil.example", 443),
    ("<local>", "intranet.corp.test", 443),
    ("<local>", "10.1.2.3", 443),
    ("<local>", "::1", 443),
    ("127.0.0.1", "localhost", 443),
    ("localhost", "127.0.0.1", 443),
    ("api", "api.mimecast.com", 443),
    ("com.", "mimecast.comx", 443),
    ("https://corp.test", "corp.test", 443),
]


@pytest.mark.parametrize("pattern,host,port", DIRECT)
def test_goes_direct(pattern: str, host: str, port: int) -> None:
    """The pattern is found among others."""
    assert goes_direct(("other.example", pattern), host, port)


@pytest.mark.parametrize("pattern,host,port", PROXIED)
def test_goes_through_the_proxy(pattern: str, host: str, port: int) -> None:
    """Nothing that only looks alike goes past the proxy."""
    assert not goes_direct(("other.example", pattern), host, port)


@pytest.mark.parametrize("pattern", [pattern.strip() for pattern, _, _ in DIRECT])
def test_what_the_matcher_understands_may_stand_in_the_file(pattern: str) -> None:
    """The reader of the file and the matcher cannot drift apart."""
    assert addresses.proxy_exception(pattern.lower()) == pattern.lower()


@pytest.mark.parametrize("pattern", ["https://corp.test", "corp.test:0", "a b", "10.0.0.0/99", "sr v*", "corp..test"])
def test_what_nothing_could_match_may_not(pattern: str) -> None:
    """A slip is found when the file is read."""
    with pytest.raises(BadValue):
        addresses.proxy_exception(pattern)


@pytest.mark.parametrize(
    "written, kept",
    [
        ("Bücher.test", "xn--bcher-kva.test"),
        (".bücher.test:443", ".xn--bcher-kva.test:443"),
        ("[::1]:443", "[::1]:443"),
    ],
)
def test_an_internationalised_name_is_kept_as_it_is_compared(written: str, kept: str) -> None:
    assert addresses.proxy_exception(written) == kept


def test_without_patterns_everything_goes_through_the_proxy() -> None:
    assert not goes_direct((), "localhost", 443)
