"""Whose a host is, and which addresses are called: decided without asking anybody."""

from __future__ import annotations

import pytest

from daemon.providers.autodiscover_trust import Standing, Trust, domain_of, origin, why_unusable
from daemon.providers.hosts import is_on

TRUST = Trust(
    domains=("example.test",),
    named=("partner.test", "localhost"),
    places=("https://localhost:8443", "https://mail.named.test"),
    online="https://localhost:9443",
)
HOSTS = {
    "https://example.test/x": Standing.OWN,
    "https://EXAMPLE.test.": Standing.OWN,
    "https://mail.example.test:444": Standing.OWN,
    "https://example.test.evil.test": Standing.STRANGER,
    "https://notexample.test": Standing.STRANGER,
    "https://mail.partner.test": Standing.NAMED,
    "https://localhost:8443/EWS": Standing.NAMED,
    "https://mail.named.test": Standing.NAMED,
    "https://other.named.test": Standing.STRANGER,
    "https://localhost:9443/EWS": Standing.MICROSOFT,
    "https://outlook.office365.com/EWS/Exchange.asmx": Standing.MICROSOFT,
    "https://autodiscover-s.outlook.com": Standing.MICROSOFT,
    "https://outlook.office365.us": Standing.MICROSOFT,
    "https://outlook-dod.office365.us": Standing.MICROSOFT,
    "https://partner.outlook.cn": Standing.MICROSOFT,
    "https://autodiscover.example.mail.onmicrosoft.com": Standing.MICROSOFT,
    "https://outlook.office365.com.evil.test": Standing.STRANGER,
    "https://fakeoutlook.com": Standing.STRANGER,
    "https://127.0.0.1": Standing.STRANGER,
}


@pytest.mark.parametrize("url", HOSTS)
def test_a_host_has_one_standing(url: str) -> None:
    assert TRUST.of(url) is HOSTS[url]


def test_a_suffix_of_one_label_has_to_be_equal() -> None:
    """Trusting `test` would trust everybody."""
    assert is_on("test", "test")
    assert not is_on("mail.test", "test")
    assert not is_on("anything", "")
    assert is_on("mail.example.test", ".example.test.")
    assert is_on("10.0.0.1", "10.0.0.1")
    assert not is_on("10.0.0.1", "0.1")


@pytest.mark.parametrize(
    "url, why",
    [
        ("https://mail.example.test/EWS", ""),
        ("https://mail.example.test:8443/EWS", ""),
        ("https://[::1]:8443/EWS", ""),
        ("http://mail.example.test", "it is not https"),
        ("mail.example.test", "it is not https"),
        ("", "it is not https"),
        ("https://", "it is not a plain https address"),
        ("https://a:b@mail.example.test", "it is not a plain https address"),
        ("https://mail example.test", "it is not a plain https address"),
        ("https://mail.example.test:port", "it is not an address"),
        ("https://[::1", "it is not an address"),
    ],
)
def test_only_plain_https_addresses_are_usable(url: str, why: str) -> None:
    assert why_unusable(url) == why


@pytest.mark.parametrize(
    "address, domain",
    [
        ("a@Example.TEST", "example.test"),
        ("a@b@example.test", "example.test"),
        ("a@bücher.test", "xn--bcher-kva.test"),
        ("a@" + "x" * 70, "x" * 70),
    ],
)
def test_a_domain_is_spelled_as_dns_does(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_an_origin_has_no_path() -> None:
    assert origin("https://Mail.example.test:443/a?b") == "https://mail.example.test"
    assert origin("https://mail.example.test:444/a") == "https://mail.example.test:444"
    assert origin("https://[::1]:444/a") == "https://[::1]:444"
