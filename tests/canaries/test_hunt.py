"""The test of the test: a planted secret is found in every form, and what is no secret is not."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tests.canaries.hunt import HEADER, canary, given, hunt

CANARY = canary("the password")
FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of user:secret": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "base64 of DOMAIN\\user:secret": lambda text: base64.b64encode(f"CORP\\jo:{text}".encode()).decode(),
    "base64 in the middle": lambda text: base64.b64encode(f"ab{text}cd".encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(f"x{text}".encode()).decode(),
    "URL": quote,
    "form": lambda text: urlencode({"password": text}),
    "plus": quote_plus,
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps({"password": text})),
    "JSON as it is": lambda text: json.dumps(text, ensure_ascii=False),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_planted_secret_is_found(form: str) -> None:
    planted = f"2030-01-01 INFO something {FORMS[form](CANARY.text)} and more"
    assert hunt([CANARY], {"the log": planted}) != []
    assert hunt([CANARY], {"the log": planted.encode()})[0].canary == "the password"


def test_nothing_is_found_where_nothing_is() -> None:
    """Another canary is not this one."""
    other = canary("another")
    everything = {name: make(other.text) for name, make in FORMS.items()}
    assert hunt([CANARY], everything) == []


@pytest.mark.parametrize("key", [base64.b64encode(b"k" * 16 + bytes(range(48))).decode(), "AbCdEf0123456789"])
def test_a_key_of_the_service_is_found_too(key: str) -> None:
    assert hunt([given("the access key", key)], {"a body": f'{{"accessKey": "{key}"}}'}) != []


def test_the_proxys_header_is_found_in_the_text_of_an_exception() -> None:
    """The exception of the HTTP library carries the request's headers in its repr: that is why it is searched for."""
    secret = base64.b64encode(f"user:{CANARY.text}".encode()).decode()
    headers: CIMultiDict[str] = CIMultiDict({HEADER: f"Basic {secret}"})
    request = aiohttp.RequestInfo(URL("http://proxy.invalid"), "CONNECT", CIMultiDictProxy(headers), URL())
    error = aiohttp.ClientHttpProxyError(request, (), status=407, message="no")
    found = hunt([CANARY], {"an exception": repr(error)})
    assert {find.canary for find in found} == {"the password", "the proxy's header"}


def test_a_find_says_where_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("sitebind.test").info("signed in with %s", CANARY.text)
    (first, *_) = hunt([CANARY], {"the log": caplog.text})
    assert (first.place, "signed in with" in first.around) == ("the log", True)
