"""The signature of API 1.0."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest

from daemon.providers.signed_call import header_date, signature


def test_the_published_vector() -> None:
    """Found in a public client and checked against it: see the facts."""
    signed = signature(
        base64.b64encode(b"SecretKey").decode(),
        date="Sun, 21 Aug 2022 13:49:40 UTC",
        request_id="3d796b76-4180-40e5-8f7c-6e0fd643b1a9",
        path="/api/test/some-url",
        application_key="ApplicationKey",
    )
    assert signed == "WOywLsnZlsE+D6bp/ug6uch5kxc="


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2))])
def test_the_date_is_in_utc_and_says_so(zone: timezone) -> None:
    moment = datetime(2022, 8, 21, 13, 49, 40, tzinfo=UTC).astimezone(zone)
    assert header_date(moment) == "Sun, 21 Aug 2022 13:49:40 UTC"


def test_a_secret_key_that_is_not_base64_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="has to be base64") as caught:
        signature("not base64!", date="", request_id="", path="", application_key="")
    assert caught.value.__suppress_context__
