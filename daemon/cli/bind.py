"""`sitebind bind`: sign in once with an e-mail address and a password, and watch the bind to its end.

The password is asked for on the terminal without an echo, or read from standard input; it never stands on the
command line, where every user of the machine could read it.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final
from urllib.parse import quote, urlsplit

from daemon.cli.client import Client
from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, add_reason, add_site, add_url, seconds
from daemon.cli.place import client, configuration, reading
from daemon.cli.rebind import PATIENCE, watch
from daemon.cli.terminal import counted, plain

_REASON: Final = "asked for with sitebind bind"
_HOW_TO_BE_ALLOWED: Final = (
    "  Giving a sign-in is for who may administer the daemon. Over its Unix socket that is root, the daemon's user\n"
    "  and [daemon] socket_admin_group; else set [daemon] api_token = file:PATH, reload, and run this where it is read."
)


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "bind",
        help="sign in once with an e-mail address and a password, and watch the bind to its end",
        example="sitebind bind --config /etc/sitebind/config.ini\n"
        '  printf \'%s\\n\' "$EMAIL" "$PASSWORD" | sitebind bind --stdin\n\n'
        "Both are used for this attempt and its retries, 15 minutes at most, and are never stored.\n"
        "exit code: 0 bound, 5 failed or cancelled, 3 still open when the time was up, 6 not allowed",
        execute=execute,
    )
    add_site(parser)
    parser.add_argument(
        "--stdin",
        action="store_true",
        help="read the e-mail address (first line) and the password (second line) from standard input; "
        "so it is when standard input is no terminal",
    )
    parser.add_argument(
        "--wait",
        type=seconds,
        default=PATIENCE,
        metavar="SECONDS",
        help=f"watch the bind for so long at most (default {PATIENCE:.0f})",
    )
    add_reason(parser)
    add_url(parser)
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    """Ask for the sign-in, send it once, and watch."""
    daemon = client(args, administers=True)
    _must_be_allowed(daemon)
    site = _site(daemon, args.site)
    offered = _offered(args, site)
    email, password = _from_lines(offered) if args.stdin or not sys.stdin.isatty() else _asked(site, offered)
    order = {"email": email, "password": password, "reason": args.reason or _REASON}
    asked = daemon.post(f"/api/v1/sites/{quote(site, safe='')}/rebind", order, expected=(200, 202))
    return watch(daemon, asked, patience=args.wait, as_json=args.json)


def _must_be_allowed(daemon: Client) -> None:
    """Say it before somebody types a password, and before one travels where others can read it."""
    target = daemon.target
    if target.socket:
        return
    parts = urlsplit(target.url)
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise Failure(
            f"{target.url}: the password would travel in the clear.\n"
            "  Run this on the server itself, through an SSH tunnel, or set [daemon] tls_certificate.",
            Exit.NOT_ALLOWED,
        )
    if target.token is None:
        raise Failure(
            f"There is no token to show to the daemon: {target.no_token}.\n{_HOW_TO_BE_ALLOWED}", Exit.NOT_ALLOWED
        )


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def _site(daemon: Client, named: str | None) -> str:
    """The site that is meant; one that cannot bind now is said before the password is asked for."""
    if named is not None:
        site = daemon.get(f"/api/v1/sites/{quote(named, safe='')}").body
    else:
        sites: list[dict[str, Any]] = daemon.get("/api/v1/sites").body.get("sites") or []
        if len(sites) != 1:
            names = ", ".join(plain(one.get("id")) for one in sites[:20])
            which = f"There are {counted(len(sites), 'site')}: {names}." if sites else "No site is configured."
            raise Failure(f"{which}\n  Name one: sitebind bind SITE", Exit.USAGE)
        site = sites[0]
    if site.get("state") == "binding":
        raise Failure(
            f"{plain(site.get('id'))}: a bind is under way; wait for its end: sitebind rebind --wait", Exit.USAGE
        )
    return str(site.get("id"))


def _offered(args: argparse.Namespace, site: str) -> str:
    """The configured e-mail address, where the configuration is at hand. Raises `Failure` for an application."""
    if args.url and getattr(args, "config", None) is None:
        return ""
    from daemon.config.textfile import is_absent

    path = configuration(args)
    if is_absent(path):
        return ""
    for file in reading(path).sites:
        if file.id != site or file.settings is None:
            continue
        if file.settings.binding.authentication_type == "application":
            raise Failure(
                f"{plain(site)} signs in as an application ([binding] authentication_type), with a client id and "
                "secret\n  from its configuration and not with a password. Bind it with: sitebind rebind --wait",
                Exit.USAGE,
            )
        return file.settings.binding.email
    return ""


def _asked(site: str, offered: str) -> tuple[str, str]:
    """From a person at a terminal. What is asked goes to standard error: standard output may be read by a program."""
    import getpass
    import warnings

    hint = f" [{plain(offered)}]" if offered else ""
    print(f"Sign in to Mimecast for site {plain(site)}. Nothing of it is stored.", file=sys.stderr)
    print(f"E-mail address{hint}: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise Failure("\nNothing was given, and nothing was done.", Exit.USAGE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            password = getpass.getpass("Password (not shown): ", stream=sys.stderr)
    except getpass.GetPassWarning:
        raise Failure("This terminal would show the password. Give it with --stdin instead.", Exit.USAGE) from None
    except EOFError:
        raise Failure("\nNothing was given, and nothing was done.", Exit.USAGE) from None
    return _checked(line.strip() or offered, password)


def _from_lines(offered: str) -> tuple[str, str]:
    """From another program: the first line is the e-mail address, the second the password, as it is."""
    email, password = sys.stdin.readline(), sys.stdin.readline()
    return _checked(email.strip() or offered, password.removesuffix("\n").removesuffix("\r"))


def _checked(email: str, password: str) -> tuple[str, str]:
    if not email or not password:
        what = "e-mail address" if not email else "password"
        raise Failure(
            f"No {what} was given, and nothing was done. Expected: the e-mail address, then the password, each on a "
            "line of its own.",
            Exit.USAGE,
        )
    return email, password
