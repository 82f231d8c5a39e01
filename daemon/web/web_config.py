"""`web-config.yml` in the format of Prometheus' exporters, for the metrics listener: TLS and users with passwords.

Of that format the part that this daemon can keep is taken; every other field is refused in words, since leaving one
out silently could leave a door open. Used by `daemon.web.metrics_listener`.
"""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from daemon.web.tls import LOOK_EVERY, TlsFiles

T = TypeVar("T")

_log = logging.getLogger("sitebind.web.metrics")

LARGEST: Final = 256 * 1024

_SECTIONS: Final = ("tls_server_config", "basic_auth_users")
_TLS_FIELDS: Final = ("cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version")
_CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")


class WebConfigRefused(Exception):
    """The file cannot be used. `str()` names the field and says what is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """What the file says. `users` are bcrypt hashes by name."""

    tls: TlsFiles | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def wants_certificate(self) -> bool:
        """Whether every caller has shown a certificate of a CA that is trusted."""
        return self.tls is not None and self.tls.client_ca is not None and self.tls.client_auth is ssl.CERT_REQUIRED


def read_web_config(path: Path) -> WebConfig:
    """Read the file; paths in it are relative to its folder. Raises `WebConfigRefused`. Blocks."""
    import yaml  # noqa: PLC0415 - most daemons have no such file

    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise WebConfigRefused(f"{path} cannot be read: {(error.strerror or 'the system refused').lower()}") from None
    if len(text) > LARGEST:
        raise WebConfigRefused(f"{path} is larger than {LARGEST // 1024} KiB")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)  # the error's own text quotes the line, which may hold a hash
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise WebConfigRefused(f"{path} is not YAML{where}") from None
    try:
        return _parsed(document, path.parent)
    except WebConfigRefused as error:
        raise WebConfigRefused(f"{path}: {error}") from None


def _parsed(document: Any, folder: Path) -> WebConfig:
    sections = _object(document, "the file", known=_SECTIONS)
    tls = sections.get("tls_server_config")
    return WebConfig(tls=None if tls is None else _tls(tls, folder), users=_users(sections.get("basic_auth_users")))


def _object(value: Any, where: str, *, known: tuple[str, ...]) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(f"{where} must hold fields with values")
    for name in value:
        if name not in known:
            _refuse(f"{where}: the field {name!r} is not supported here; supported are {', '.join(known)}")
    return value


def _tls(value: Any, folder: Path) -> TlsFiles | None:
    fields = _object(value, "tls_server_config", known=_TLS_FIELDS)
    for name, given in fields.items():
        if not isinstance(given, str):
            _refuse(f"tls_server_config.{name} must be text")
    if not fields:
        return None
    if not (fields.get("cert_file") and fields.get("key_file")):
        _refuse("tls_server_config needs cert_file and key_file")
    ca = fields.get("client_ca_file")
    auth = _one_of(fields.get("client_auth_type") or "NoClientCert", _CLIENT_AUTH, "client_auth_type")
    if ca and auth is ssl.CERT_NONE:
        _refuse("tls_server_config.client_ca_file needs client_auth_type, best RequireAndVerifyClientCert")
    if not ca and auth is not ssl.CERT_NONE:
        _refuse("tls_server_config.client_auth_type needs client_ca_file")
    return TlsFiles(
        certificate=folder / fields["cert_file"],
        key=folder / fields["key_file"],
        client_ca=folder / ca if ca else None,
        client_auth=auth,
        lowest=_one_of(fields.get("min_version") or "TLS12", _VERSIONS, "min_version"),
    )


def _one_of(name: str, known: Mapping[str, T], field_name: str) -> T:
    if name not in known:
        _refuse(f"tls_server_config.{field_name}: {name!r} is not supported; one of {', '.join(known)}")
    return known[name]


def _users(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse("basic_auth_users must hold a bcrypt hash for each name")
    for name, given in value.items():
        if not isinstance(name, str) or not name or ":" in name or not name.isprintable():
            _refuse("basic_auth_users: a name is text without a colon")
        found = _BCRYPT.fullmatch(given) if isinstance(given, str) else None
        if found is None:
            _refuse(f"basic_auth_users.{name} is no bcrypt hash; make one with: htpasswd -nBC 10 {name}")
        if not 4 <= int(found[1]) <= 14:
            _refuse(f"basic_auth_users.{name} has cost {found[1]}, which is too slow or invalid; take 10")
    return dict(value)


def _refuse(text: str) -> NoReturn:
    raise WebConfigRefused(text)


class WebConfigFile:
    """The file with what it said last; looked at again at most once a second. Whether it has TLS stays as it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature = self._look()
        self._config = read_web_config(path)
        self._looked_at = time.monotonic()

    def current(self) -> WebConfig:
        """What is in force: the file, or what it said when it could be read last."""
        if time.monotonic() - self._looked_at >= LOOK_EVERY:
            signature, self._looked_at = self._look(), time.monotonic()
            if signature != self._signature:
                self._signature = signature
                self._read_again()
        return self._config

    def _read_again(self) -> None:
        try:
            fresh = read_web_config(self._path)
        except WebConfigRefused as error:
            _log.error("%s; what it said before stays in force", error)
            return
        if (fresh.tls is None) is not (self._config.tls is None):
            _log.error("%s: TLS comes and goes with a restart only; what it said before stays in force", self._path)
            return
        self._config = fresh
        _log.info("%s was read again", self._path)

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino
