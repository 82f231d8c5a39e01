"""Answers that are JSON only at first sight."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import cast

import pytest

from daemon.ports import Credentials, Place, Secret
from daemon.providers.answer import Answer
from daemon.providers.body import decoded
from daemon.providers.http import HttpClient
from daemon.providers.mimecast_v1 import MimecastV1

_HALF = rb'{"meta":{"status":200},"data":[{"accessKey":"\ud800","secretKey":"QQ=="}],"fail":[]}'


@pytest.mark.parametrize(
    "body",
    [
        b'["\xed\xa0\x80"]',
        b"\xff",
        b"[" * 100_000,
        b"1" * 5000,
        b"",
    ],
)
def test_what_is_no_text_is_no_json(body: bytes) -> None:
    assert decoded(bytearray(body)) is None


@pytest.mark.parametrize(
    "body, found",
    [
        (rb'{"\uDFFF": 1}', {"\ufffd": 1}),
        (rb'["Example \ud800 Ltd"]', ["Example \ufffd Ltd"]),
        (rb'"\ud83d\ude00 \ud83d"', "\N{GRINNING FACE} \ufffd"),
        (rb'"\ud800"'.decode().encode("utf-16"), "\ufffd"),
    ],
)
def test_half_a_character_is_replaced(body: bytes, found: object) -> None:
    """In whatever encoding: the first byte that is written of it would fail, and all of the rest is good."""
    assert decoded(bytearray(body)) == found


@pytest.mark.parametrize("text", ["a", "\N{GRINNING FACE}", "\\ud", "\\\\ud800"])
def test_whole_characters_stay_what_they_are(text: str) -> None:
    """Escaped as two halves, or raw, or only looking like it."""
    for raw in (json.dumps([text]).encode(), json.dumps([text], ensure_ascii=False).encode("utf-16")):
        assert decoded(bytearray(raw)) == [text]


def test_a_login_answered_with_half_a_character_does_not_hurt() -> None:
    """Found by fuzzing: it raised what no caller waits for. Keys like these are refused when they are proven."""

    class Client:
        async def call(self, *_: object, **__: object) -> Answer:
            return Answer(status=200, headers={}, body=_HALF, json=decoded(bytearray(_HALF)))

    cloud = MimecastV1(
        cast("HttpClient", Client()),
        service_url="",
        trusted_suffixes=("mimecast.com",),
        now=lambda: datetime(2026, 3, 1, tzinfo=UTC),
        new_request_id=lambda: "id",
    )
    credentials = Credentials(
        method="cloud",
        email="a@example.com",
        password=Secret("x"),
        application_id="app",
        application_key=Secret("key"),
    )
    place = Place(base_url="https://us-api.mimecast.com", region="us")
    keys = asyncio.run(cloud.authenticate(place, credentials, refresh=None))
    assert "\ufffd" in [value.reveal() for value in keys.values.values()]
