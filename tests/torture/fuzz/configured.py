"""Configuration files and the values in them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.config import edit, values
from daemon.config.ini import reading_of
from daemon.config.options import OPTIONS
from daemon.config.problems import BadValue
from daemon.config.textfile import Content
from daemon.web.web_config import WebConfigRefused, read_web_config
from tests.torture.fuzz.target import Target

_PLACE = Path("/nowhere/site.ini")
_SITE = b"""[site]
display_name = Berlin
[account]
smtp_address = m@example.com
[binding]
authentication_type = cloud
email = a@example.com
password = file:password
verify_every = 15m
[connection]
proxy_mode = manual
proxy_url = http://proxy.example.com:8080
no_proxy = 10.0.0.0/8, *.local
"""
_FOLDER = TemporaryDirectory(prefix="sitebind-fuzz-")


def _file(data: bytes) -> None:
    content = Content(data=data, exposed=False)
    for site in reading_of(_PLACE, content, in_folder=False).sites:
        assert site.settings is not None or site.problems, "neither settings nor a reason"


def _value(data: bytes) -> None:
    """The first byte chooses the option."""
    text = data[1:].decode("utf-8", "replace")
    option = OPTIONS[(data or b"\0")[0] % len(OPTIONS)]
    values.parse(option, text, folder=_PLACE.parent)


def _edit(data: bytes) -> None:
    """What was written must hold what was asked for; `edited` proves that itself, and says so where it cannot."""
    text, _, value = data.rpartition(b"\0")
    key = ("binding", "email") if len(data) % 2 else ("site", "display_name")
    edit.edited(text, {key: value.decode("utf-8", "replace") or None})


def _web_config(data: bytes) -> None:
    path = Path(_FOLDER.name) / "web.yml"
    path.write_bytes(data)
    read_web_config(path)


TARGETS = (
    Target(name="ini", what="INI file to settings or findings", meets=_file, seeds=(_SITE, b"\xef\xbb\xbf[site]\r\n")),
    Target(
        name="values",
        what="values of options: durations, addresses, hosts, secrets' references, distinguished names",
        meets=_value,
        may_raise=(BadValue,),
        seeds=tuple(
            bytes([number]) + text
            for number in range(len(OPTIONS))
            for text in (b"15m", b"a@example.com", b"https://example.com:443", b"file:secret", b"10.0.0.0/8, *.local")
        ),
    ),
    Target(
        name="edit",
        what="a change in an INI file, comments kept",
        meets=_edit,
        may_raise=(edit.Uneditable,),
        seeds=(_SITE + b"\0New name", _SITE + b"\0", b"# a\n[site] ; b\n\0x"),
    ),
    Target(
        name="web-config",
        what="the metrics listener's web-config.yml",
        meets=_web_config,
        may_raise=(WebConfigRefused,),
        seeds=(b"tls_server_config:\n  cert_file: a.pem\n  key_file: a.key\n", b"basic_auth_users:\n  a: $2y$10$x\n"),
    ),
)
