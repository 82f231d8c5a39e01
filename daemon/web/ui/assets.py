"""The page's own files: style, scripts and drawings, all in the wheel and none from elsewhere.

Each is served under an address that holds a part of its SHA-256, so a browser may keep it for good. Files of others
are listed in `static/vendored.json` with version, licence and digest; a test holds the list to the files.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from daemon.web.errors import HttpProblem

STATIC: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_DIGITS: Final = 16
_WORTH_PACKING: Final = 1024


@dataclass(frozen=True, slots=True)
class Asset:
    """One file in memory; `packed` is the same as gzip, or empty where that is not worth it."""

    name: str
    digest: str
    media_type: str
    body: bytes
    packed: bytes


class Assets:
    """All files of the page, read once."""

    def __init__(self, folder: Path = STATIC) -> None:
        found = (path for path in sorted(folder.iterdir()) if path.suffix in _TYPES)
        self._by_name = {path.name: _read(path) for path in found}

    def url(self, name: str) -> str:
        """The address of a file. Raises KeyError for one that is not there."""
        asset = self._by_name[name]
        return f"/static/{asset.digest}/{asset.name}"

    async def serve(self, request: web.Request) -> web.Response:
        """`GET /static/{digest}/{name}`: kept by browsers for a year, since another content has another address."""
        asset = self._by_name.get(request.match_info["name"])
        if asset is None or asset.digest != request.match_info["digest"]:
            raise HttpProblem(404, "not-found", "There is no such file. Load the page again: sitebind was updated.")
        headers = {
            "Content-Type": asset.media_type,
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Vary": "Accept-Encoding",
        }
        if asset.packed and "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=asset.packed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=asset.body, headers=headers)


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:_DIGITS]
    packed = gzip.compress(body, mtime=0) if len(body) > _WORTH_PACKING else b""
    return Asset(path.name, digest, _TYPES[path.suffix], body, packed)
