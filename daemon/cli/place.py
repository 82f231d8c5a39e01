"""Which configuration a command means, and where its daemon is. Used by nearly every command."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from daemon.cli.client import Client, Target
from daemon.cli.exits import Exit, Failure

if TYPE_CHECKING:
    from daemon.config.model import DaemonSettings, Reading

_WILDCARDS = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
_TOKEN = "SITEBIND_TOKEN"  # noqa: S105 - the name of a variable
_LONGEST_SOCKET = 107
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_WITHOUT = (
    "Mend them, or be root or the daemon's user where they may not be read. A daemon that runs is also reached "
    "without them, with --url URL; under systemd that is --url unix:/run/sitebind/sitebind.sock"
)
_BY_USER = (
    f"over the socket the system says who calls, and ${_TOKEN} is not set. To administer be root, the daemon's user, "
    "or a member of [daemon] socket_admin_group"
)


def configuration(args: argparse.Namespace) -> Path:
    """The configuration that is meant, whether it exists or not where it was named. Raises `Failure`."""
    from daemon.config.locate import NoConfiguration, find_config

    named: str | None = getattr(args, "config", None)
    try:
        return find_config(Path(named) if named is not None else None, os.environ)
    except NoConfiguration as error:
        raise Failure(str(error), Exit.USAGE) from None


def existing_configuration(args: argparse.Namespace) -> Path:
    """As `configuration`, for commands that cannot do without it. Raises `Failure`."""
    from daemon.config.textfile import is_absent

    path = configuration(args)
    if is_absent(path):
        raise Failure(f"{path}: there is no such file or folder. Name another with --config PATH.", Exit.USAGE)
    return path


def reading(path: Path) -> Reading:
    """What stands in the configuration at `path`."""
    from daemon.config.ini import read_config

    return read_config(path)


def daemon_settings(path: Path, *, otherwise: str) -> DaemonSettings:
    """The [daemon] settings. Raises `Failure` with the findings; `otherwise` says how to do without them."""
    found = reading(path)
    if found.daemon is not None:
        return found.daemon
    wrong = [problem for problem in found.problems if problem.severity == "error"] or found.errors
    findings = "".join(f"\n  {problem}" for problem in wrong)
    raise Failure(f"The [daemon] settings in {path} cannot be used:{findings}\n  {otherwise}", Exit.USAGE)


def client(args: argparse.Namespace, *, administers: bool = False) -> Client:
    """A client for the daemon that is meant by `--url` or by the configuration. Raises `Failure`.

    With `administers` a token is sent also where looking needs none.
    """
    return Client(_named(args) if args.url else _configured(args, administers=administers))


def _named(args: argparse.Namespace) -> Target:
    if args.url.startswith("unix:"):
        return _socket_named(args.url)
    url: str = args.url.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        raise Failure(f"--url {args.url}: expected an address like http://127.0.0.1:8787, or unix:PATH", Exit.USAGE)
    token = os.environ.get(_TOKEN)
    if token or getattr(args, "config", None) is None:
        # A token that was found by chance is not sent to an address that was typed in.
        missing = f"${_TOKEN} is not set, and --config was not given beside --url"
        return Target(url=url, found_by="--url", token=token or None, no_token=missing)
    path = existing_configuration(args)
    settings = daemon_settings(path, otherwise=f"Mend them, or set ${_TOKEN} instead of giving --config.")
    token, missing = _token(settings, path)
    return Target(url=url, found_by="--url", token=token, no_token=missing)


def _socket_named(url: str) -> Target:
    path = url.removeprefix("unix:")
    path = path[2:] if path.startswith("///") else path
    if not path or len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise Failure(f"--url {url}: expected unix: and the path of a socket, 107 bytes at most", Exit.USAGE)
    return Target(url=url, found_by="--url", token=os.environ.get(_TOKEN) or None, no_token=_BY_USER, socket=path)


def _configured(args: argparse.Namespace, *, administers: bool) -> Target:
    path = existing_configuration(args)
    settings = daemon_settings(path, otherwise=_WITHOUT)
    if settings.socket is not None and os.access(settings.socket, os.W_OK) and settings.socket.is_socket():
        return Target(
            url=f"unix:{settings.socket}",
            found_by=f"[daemon] socket in {path}",
            token=os.environ.get(_TOKEN) or None,
            no_token=_BY_USER,
            socket=str(settings.socket),
        )
    host = _WILDCARDS.get(settings.host, settings.host)
    scheme = "http" if settings.tls_certificate is None else "https"
    token, missing = _token(settings, path) if administers else _token_if_needed(settings, path)
    return Target(
        url=f"{scheme}://[{host}]:{settings.port}" if ":" in host else f"{scheme}://{host}:{settings.port}",
        found_by=f"[daemon] listen in {path}",
        token=token,
        no_token=missing,
        certificate=_first_certificate(settings),
    )


def _first_certificate(settings: DaemonSettings) -> str:
    """The daemon's own certificate, without its chain; empty where it has none, or we may not read it."""
    if settings.tls_certificate is None:
        return ""
    try:
        text = settings.tls_certificate.read_text(encoding="ascii", errors="replace")
    except OSError:  # the system's CAs may know it all the same
        return ""
    found = _CERTIFICATE.search(text)
    return found[0] if found else ""


def _token_if_needed(settings: DaemonSettings, path: Path) -> tuple[str | None, str]:
    """On a loopback listener none is asked for, and a token that is sent must be right: so none is sent."""
    if _TOKEN not in os.environ and _is_loopback(settings.host) and not settings.require_token:
        return None, f"[daemon] in {path} asks for none here; if that is outdated, set ${_TOKEN}"
    return _token(settings, path)


def _token(settings: DaemonSettings, path: Path) -> tuple[str | None, str]:
    """The token to send, or why there is none. Never fails: whether one is needed, the daemon decides."""
    from_environment = os.environ.get(_TOKEN)
    if from_environment:
        return from_environment, ""
    if settings.api_token is None:
        return None, f"${_TOKEN} is not set, and [daemon] in {path} holds no api_token"
    from daemon.config.secrets import SecretUnreadable, resolve_now

    try:
        return resolve_now(settings.api_token).reveal(), ""
    except SecretUnreadable as error:
        return None, f"${_TOKEN} is not set, and [daemon] api_token cannot be read: {error}"


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")
