"""A visitor of the page without a browser: keeps cookies, follows redirects, fills in the forms that it was shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

import aiohttp

_FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')


@dataclass(frozen=True, slots=True)
class Seen:
    """A page as it came."""

    status: int
    headers: aiohttp.typedefs.LooseHeaders
    html: str
    path: str

    @property
    def words(self) -> str:
        """The text without its tags, on one line."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())


class Visitor:
    """One browser's worth of cookies."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url
        self.last = ""

    async def open(self, path: str, **options: object) -> Seen:
        """Open a page."""
        return await self._asked("GET", path, **options)

    async def send(self, path: str, *, forged: bool = False, **fields: str) -> Seen:
        """Send a form with the token of the page that was seen last."""
        found = _FORM_TOKEN.search(self.last)
        token = "0" * 64 if forged or found is None else found[1]
        return await self._asked("POST", path, data={"form_token": token, **fields})

    async def sign_in(self, token: str) -> Seen:
        await self.open("/sign-in")
        return await self.send("/sign-in", token=token)

    async def _asked(self, method: str, path: str, **options: object) -> Seen:
        async with self._session.request(method, self.url + path, **options) as answer:  # type: ignore[arg-type]
            self.last = await answer.text()
            return Seen(answer.status, answer.headers, self.last, answer.url.path_qs)
