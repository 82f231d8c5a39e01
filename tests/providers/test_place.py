"""Which of the addresses that discovery names are used."""

from __future__ import annotations

import pytest

from daemon.ports import ProviderFault
from daemon.providers.place import base_of, region_in, trusted_base
from daemon.providers.standing import region_of
from states import Fault

TRUSTED = [
    ("https://us-api.mimecast.com", "https://us-api.mimecast.com"),
    ("https://US-API.Mimecast.COM./", "https://us-api.mimecast.com"),
    ("https://eu-api.mimecast.com:443", "https://eu-api.mimecast.com"),
    ("https://eu-api.mimecast.com:8443/", "https://eu-api.mimecast.com:8443"),
    ("https://mimecast.com", "https://mimecast.com"),
    ("https://localhost:40001", "https://localhost:40001"),
    ("https://127.0.0.1:40001", "https://127.0.0.1:40001"),
    ("https://[::1]:40001", "https://[::1]:40001"),
]
UNTRUSTED = [
    "http://us-api.mimecast.com",
    "https://attacker.example",
    "https://notmimecast.com",
    "https://us-api.mimecast.com.attacker.example",
    "https://us-api.mimecast.com@attacker.example",
    "https://user:password@us-api.mimecast.com",
    "https://attacker.example\\.mimecast.com",
    "https://attacker.example/.mimecast.com",
    "https://attacker.example#.mimecast.com",
    "https://attacker.example?.mimecast.com",
    "https://us-api.mimecast.com/path",
    "https://us-api.mimecast.com:99999",
    "https://evil.localhost",
    "https://7.127.0.0.1",
    "https://10.127.0.0",
    "https://[::2]",
    "https://[::1",
    "https://",
    "us-api.mimecast.com",
    "https://us\u2011api.mimecast.com",
    "https://evil\u3002mimecast.com",
    "",
    7,
    None,
    {"api": "https://us-api.mimecast.com"},
]
SUFFIXES = ("mimecast.com", "localhost", "127.0.0.1", "::1")


@pytest.mark.parametrize("named,base", TRUSTED)
def test_a_trusted_address_is_written_anew(named: str, base: str) -> None:
    """Nothing of what was said is kept but host and port."""
    assert trusted_base(named, suffixes=SUFFIXES) == base


@pytest.mark.parametrize("named", UNTRUSTED, ids=repr)
def test_no_other_address_gets_credentials(named: object) -> None:
    """A spoofed answer of discovery must not lead the password away."""
    with pytest.raises(ProviderFault) as caught:
        trusted_base(named, suffixes=SUFFIXES)
    assert caught.value.fault is Fault.SERVICE_ADDRESS_UNTRUSTED


@pytest.mark.parametrize("suffix", ["", ".", " "])
def test_an_empty_suffix_trusts_nobody(suffix: str) -> None:
    with pytest.raises(ProviderFault):
        trusted_base("https://us-api.mimecast.com", suffixes=(suffix,))


def test_a_suffix_may_be_written_with_a_dot() -> None:
    assert trusted_base("https://us-api.mimecast.com", suffixes=(".mimecast.com",))


@pytest.mark.parametrize(
    "base,region",
    [
        ("https://us-api.mimecast.com", "us"),
        ("https://usb-api.mimecast.com", "usb"),
        ("https://jer-api.mimecast.com", "je"),
        ("https://uk-api.services.mimecast.com", "eu"),
        ("https://api.services.mimecast.com", ""),
        ("https://localhost:40001", ""),
    ],
)
def test_the_region_is_read_from_the_host(base: str, region: str) -> None:
    """Offshore has two spellings, and the UK's host of API 2.0 serves the region that 1.0 calls eu."""
    assert region_in(base) == region


@pytest.mark.parametrize("code,region", [("CUSA35A403", "us"), ("CUSB1", "usb"), ("CUK9", "eu"), ("X1", "")])
def test_the_region_is_read_from_the_account_code(code: str, region: str) -> None:
    assert region_of(code) == region


def test_without_a_configured_address_the_public_one_is_used() -> None:
    assert base_of("", default="https://api.mimecast.com") == "https://api.mimecast.com"
    assert base_of("https://localhost:1/", default="https://api.mimecast.com") == "https://localhost:1"
