"""One option's text to its value, by kind. Used by `daemon.config.form`; every function raises `BadValue` in words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from daemon.config import addresses
from daemon.config.model import SecretSource
from daemon.config.options import Kind, Option
from daemon.config.problems import BadValue, shown
from daemon.ports import Secret

LIST_KINDS = frozenset({"domains", "suffixes", "host_headers", "proxy_exceptions", "steps"})
NO_STEP = "none"
_STEPS = ("mailbox", "directory")

_FLAGS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9})\s*([smhd])")
_INTEGER = re.compile(r"[0-9]{1,9}")
_MODE = re.compile(r"0?[67][0-7][0-7]")
_SITE_ID = re.compile(r"[a-z0-9-]{1,63}")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WINDOWS_SPELLINGS = {
    "microsoft active directory": "microsoft-active-directory",
    "microsoft office 365 directory": "microsoft-365-directory",
    "microsoft 365 directory": "microsoft-365-directory",
}


def parse(option: Option, text: str, *, folder: Path) -> object:
    """The value that `text` stands for; paths are taken relative to `folder`."""
    if any(not char.isprintable() and char != "\n" for char in text):
        raise BadValue("holds a control character or an invisible blank", "type the value anew")
    if option.kind == "path":
        return folder / text
    if option.kind == "socket":
        return socket_path(text, folder)
    if option.kind == "secret":
        return replace(secret_source(text, folder), pem=option.pem)
    return _PARSERS[option.kind](option, text)


def site_id(text: str) -> str:
    """A site's id as it stands in the API's paths."""
    if not _SITE_ID.fullmatch(text):
        raise BadValue(f"{shown(text)} is not a site id", "1 to 63 of a-z, 0-9 and -")
    return text


def socket_path(text: str, folder: Path) -> Path | None:
    """Where the Unix socket is to be; None for an empty text. The system takes names up to 107 bytes."""
    if not text:
        return None
    path = folder / text
    if not fits_a_socket(path):
        length = len(os.fsencode(path))
        raise BadValue(f"the socket's whole path is {length} bytes long, and Linux takes 107", "choose a shorter one")
    return path


def fits_a_socket(path: Path) -> bool:
    """Whether a Unix socket can have this name: 108 bytes with the NUL at its end."""
    return len(os.fsencode(path)) < 108


def secret_source(text: str, folder: Path) -> SecretSource:
    """Where a secret is to be found. What was written never becomes part of an error."""
    kind, colon, where = text.partition(":")
    if not colon or kind not in _REFERENCES:
        return SecretSource(kind="plain", text=Secret(text))
    if not where.strip():
        raise BadValue(f"names nothing after {kind}:", "a secret that begins so is written literal:TEXT")
    return _REFERENCES[kind](where, folder)


def _file(where: str, folder: Path) -> SecretSource:
    return SecretSource(kind="file", where=str(folder / where.strip()))


def _literal(where: str, _: Path) -> SecretSource:
    return SecretSource(kind="literal", text=Secret(where))


def _environment(where: str, _: Path) -> SecretSource:
    if not _ENVIRONMENT_NAME.fullmatch(where):
        raise BadValue("is not env: and the name of a variable", "for a secret that begins so write literal:TEXT")
    return SecretSource(kind="env", where=where)


def _credential(where: str, _: Path) -> SecretSource:
    if "/" in where or where in {".", ".."}:
        raise BadValue("is not credential: and a name", "the name stands in the unit's LoadCredential=NAME:PATH")
    return SecretSource(kind="credential", where=where)


def _keyring(where: str, _: Path) -> SecretSource:
    service, slash, user = where.rpartition("/")
    if not slash or not service or not user:
        raise BadValue("is not keyring: and SERVICE/USER", "for a secret that begins so write literal:TEXT")
    return SecretSource(kind="keyring", where=where)


_REFERENCES: dict[str, Callable[[str, Path], SecretSource]] = {
    "file": _file,
    "env": _environment,
    "credential": _credential,
    "keyring": _keyring,
    "literal": _literal,
}


def _flag(_: Option, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise BadValue(f"{shown(text)} is neither yes nor no")
    return _FLAGS[text.lower()]


def _choice(option: Option, text: str) -> str:
    word = text.lower()
    if option.name == "directory_type":
        word = _WINDOWS_SPELLINGS.get(" ".join(word.split()), word)
    if word not in option.choices:
        raise BadValue(f"{shown(text)} is not a choice", "one of " + ", ".join(option.choices))
    return word


def _integer(option: Option, text: str) -> int:
    if not _INTEGER.fullmatch(text) or not option.lowest <= int(text) <= option.highest:
        raise BadValue(f"{shown(text)} is out of range", f"a whole number from {option.lowest} to {option.highest}")
    return int(text)


def _mode(_: Option, text: str) -> int:
    if not _MODE.fullmatch(text):
        raise BadValue(f"{shown(text)} is not a mode", "three octal digits, the owner may read and write: 0660 or 0600")
    return int(text, base=8) & 0o666


def _duration(option: Option, text: str) -> int:
    match = _DURATION.fullmatch(text.lower())
    if not match:
        raise BadValue(f"{shown(text)} is not a duration", "a number and its unit: 30s, 5m, 1h or 7d")
    seconds = int(match[1]) * _UNITS[match[2]]
    if not option.lowest <= seconds <= option.highest:
        limits = f"from {duration(option.lowest)} to {duration(option.highest)}"
        raise BadValue(f"{shown(text)} is out of range", limits)
    return seconds


def duration(seconds: int) -> str:
    """Seconds as one would write them: `90s`, `5m`, `24h`, `7d`."""
    sizes = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds > 86400 else (("h", 3600), ("m", 60), ("s", 1))
    unit, size = next((unit, size) for unit, size in sizes if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _listen(_: Option, text: str) -> tuple[str, int]:
    host, port = addresses.host_and_port(text)
    if not port:
        raise BadValue(f"{shown(text)} names no port", "it is written 127.0.0.1:8787 or [::1]:8787")
    return host, port


def _host(option: Option, text: str) -> str:
    host, port = addresses.host_and_port(text)
    if option.section == "connection" and port:
        raise BadValue(f"{shown(text)} names a port", "the port belongs in proxy_port")
    shape = f"[{host}]" if port and ":" in host else host
    return f"{shape}:{port}" if port else host


def _steps(_: Option, text: str) -> tuple[str, ...]:
    words = [word.strip().lower() for word in text.replace("\n", ",").split(",")]
    if words == [NO_STEP]:
        return ()
    for word in words:
        if word not in _STEPS:
            raise BadValue(f"{shown(word)} is not a step that can be required", "mailbox, directory, both, or none")
    return tuple(step for step in _STEPS if step in words)


def _host_header(text: str) -> str:
    host = addresses.host(text)
    return f"[{host}]" if ":" in host else host


def _each(parse_one: Callable[[str], str]) -> Callable[[Option, str], tuple[str, ...]]:
    """A list: items between commas or on lines of their own; a repeated item counts once."""

    def parse_all(_: Option, text: str) -> tuple[str, ...]:
        items = (item.strip() for item in text.replace("\n", ",").split(","))
        return tuple(dict.fromkeys(parse_one(item) for item in items if item))

    return parse_all


_PARSERS: dict[Kind, Callable[[Option, str], object]] = {
    "text": lambda _, text: text,
    "choice": _choice,
    "flag": _flag,
    "integer": _integer,
    "duration": _duration,
    "port": lambda _, text: addresses.port(text),
    "listen": _listen,
    "host": _host,
    "address": lambda _, text: addresses.mail_address(text),
    "url": lambda _, text: addresses.service_url(text),
    "site_id": lambda _, text: site_id(text),
    "tenant": lambda _, text: addresses.tenant(text),
    "distinguished_name": lambda _, text: addresses.distinguished_name(text),
    "receiver": lambda _, text: addresses.receiver(text),
    "collector": lambda _, text: addresses.collector(text),
    "mode": _mode,
    "steps": _steps,
    "host_headers": _each(_host_header),
    "domains": _each(addresses.mail_domain),
    "suffixes": _each(addresses.trusted_suffix),
    "proxy_exceptions": _each(addresses.proxy_exception),
}
