"""Which hosts are reached without the proxy."""

from __future__ import annotations

import pytest

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
]


@pytest.mark.parametrize("pattern,host,port", DIRECT)
def test_goes_direct(pattern: str, host: str, port: int) -> None:
    """The pattern is found among others."""
    assert goes_direct(("other.example", pattern), host, port)


@pytest.mark.parametrize("pattern,host,port", PROXIED)
def test_goes_through_the_proxy(pattern: str, host: str, port: int) -> None:
    """Nothing that only looks alike goes past the proxy."""
    assert not goes_direct(("other.example", pattern), host, port)


def test_without_patterns_everything_goes_through_the_proxy() -> None:
    assert not goes_direct((), "localhost", 443)
