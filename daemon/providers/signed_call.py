"""A call of API 1.0 as it travels: headers, date, request id and signature. Used by `mimecast_v1.py`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from daemon.providers import envelope
from daemon.providers.answer import Answer
from daemon.providers.envelope import About
from daemon.providers.http import HttpClient

Authorize = Callable[[str, str, str], str]
"""The value of Authorization for a date, a request id and a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to be made; `authorization` is asked each time it is sent, since the signature covers the date.

    `items` are what is sent, which may be an access key.
    """

    url: str
    endpoint: str
    about: About
    application_id: str
    items: tuple[Mapping[str, object], ...] = field(repr=False)
    authorization: Authorize | None = field(default=None, repr=False)


class Sender:
    """Sends calls. `now` is wall time in UTC, `new_request_id` makes GUIDs."""

    def __init__(self, client: HttpClient, *, now: Callable[[], datetime], new_request_id: Callable[[], str]) -> None:
        self._client = client
        self._now = now
        self._new_request_id = new_request_id

    async def send(self, call: Call) -> Answer:
        """Send, once more after `err_developer_key`: it is known to come now and then for valid ids."""
        answer = await self.send_once(call)
        if envelope.says(answer, "err_developer_key"):
            answer = await self.send_once(call)
        return answer

    async def send_once(self, call: Call) -> Answer:
        """Send, and give whatever is answered."""
        date, request_id = header_date(self._now()), self._new_request_id()
        headers = {"x-mc-date": date, "x-mc-req-id": request_id, "x-mc-app-id": call.application_id}
        if call.authorization is not None:
            headers["Authorization"] = call.authorization(date, request_id, urlsplit(call.url).path)
        return await self._client.call(
            "POST",
            call.url,
            endpoint=call.endpoint,
            headers=headers,
            request_id=request_id,
            json={"data": list(call.items)},
            application=call.application_id,
        )


def signature(secret_key: str, *, date: str, request_id: str, path: str, application_key: str) -> str:
    """Sign a call: base64 of the HMAC-SHA1 over date, id, path and application key, joined by colons.

    `secret_key` is base64 as the service gives it; ValueError if it is not.
    """
    try:
        key = base64.b64decode(secret_key, validate=True)
    except binascii.Error:
        raise ValueError("a secret key has to be base64") from None
    text = f"{date}:{request_id}:{path}:{application_key}"
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha1)).decode()


def header_date(now: datetime) -> str:
    """The date as the service wants it, with UTC where others write GMT."""
    return format_datetime(now.astimezone(UTC), usegmt=True).replace("GMT", "UTC")
