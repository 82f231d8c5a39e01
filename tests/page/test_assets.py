"""The page's own files: nothing from elsewhere, and what is from others is what its list says."""

from __future__ import annotations

import gzip
import hashlib
import json
import re

import pytest

from daemon.web.ui.assets import STATIC, Assets
from tests.page.browsing import Visitor

VENDORED = json.loads((STATIC / "vendored.json").read_text("utf-8"))


def test_every_file_of_others_is_listed_with_digest_and_licence() -> None:
    for entry in VENDORED:
        assert hashlib.sha256((STATIC / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry["file"]
        assert (STATIC / entry["licence_file"]).stat().st_size > 200
    listed = {entry["file"] for entry in VENDORED}
    ours = {"site.css", "drawing.css", "live.js", "icon.svg"}
    assert {path.name for path in STATIC.iterdir() if path.suffix in (".css", ".js", ".svg")} == listed | ours


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.[cj]s*")), ids=lambda path: path.name)
def test_no_file_asks_for_anything_elsewhere(path: object) -> None:
    text = STATIC.joinpath(str(path)).read_text("utf-8")
    assert not re.findall(r"url\(\s*[\"']?(?![\"']?data:)|@import|//# sourceMappingURL", text)


async def test_files_are_kept_for_good_and_named_by_their_content(visitor: Visitor) -> None:
    seen = await visitor.open("/")
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', seen.html)
    assert len(addresses) == 7
    for address in addresses:
        got = await visitor.open(address)
        assert got.status == 200
        assert "immutable" in got.headers["Cache-Control"]
        assert got.headers["X-Content-Type-Options"] == "nosniff"
    name = addresses[0].rpartition("/")[2]
    assert (await visitor.open(f"/static/0000000000000000/{name}")).status == 404
    assert (await visitor.open(f"{addresses[0].rpartition('/')[0]}/../../server.py")).status == 404


def test_packed_files_unpack_to_themselves() -> None:
    for asset in Assets()._by_name.values():
        assert not asset.packed or gzip.decompress(asset.packed) == asset.body


async def test_the_policy_allows_no_script_and_no_style_but_our_files(visitor: Visitor) -> None:
    seen = await visitor.open("/sites/default/bind")
    policy = seen.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"<script(?![^>]*\ssrc=)|<style| style=| on\w+=", seen.html)
