"""`sitebind token`: make, list and revoke API tokens, through the daemon or, while it is stopped, in its database."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, add_url
from daemon.cli.place import client
from daemon.cli.terminal import labelled, moment, plain

if TYPE_CHECKING:
    from daemon.engine.tokens import TokenBook
    from daemon.ports import ApiToken

T = TypeVar("T")
Token = dict[str, Any]

_SCOPES: Final = ("read", "operate", "admin", "metrics")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LIFETIME: Final = re.compile(r"([1-9][0-9]{0,8})([smhd])")


def add(root: Parser) -> None:
    """Add the command with its own commands."""
    parser = root.command(
        "token",
        help="make, list and revoke tokens of the HTTP API; for who may administer",
        example="sitebind token create prometheus --scope metrics --expires 365d\n  sitebind token list\n"
        "  sitebind token revoke t-1a2b3c4d",
    )
    parser.set_defaults(execute=lambda _args: _say_which(parser))
    create = parser.command(
        "create",
        help="make a token and print it, this once",
        example="sitebind token create prometheus --scope metrics --expires 365d\n\n"
        "Two valid tokens may have one name: roll the new one out, then revoke the old one.",
        execute=_create,
    )
    create.add_argument("name", metavar="NAME", help="who it is for; stands in the audit trail")
    create.add_argument(
        "--scope",
        action="append",
        choices=_SCOPES,
        required=True,
        help="what it may do, once or more: admin may do everything, operate may read too",
    )
    create.add_argument("--expires", type=lifetime, metavar="TIME", help="after 90d, 12h …; default: never")
    listing = parser.command(
        "list", help="show every token, without its secret", example="sitebind token list --json", execute=_list
    )
    revoke = parser.command(
        "revoke", help="end a token at once", example="sitebind token revoke t-1a2b3c4d", execute=_revoke
    )
    revoke.add_argument("id", metavar="ID", help="as `sitebind token list` shows it")
    for one in (create, listing, revoke):
        add_url(one)
        add_json(one)
        one.add_argument(
            "--database", metavar="PATH", type=Path, help="work on this database of a daemon that is stopped"
        )


def lifetime(text: str) -> int:
    """Seconds from `90d`, `12h`, `5m`, `30s`."""
    found = _LIFETIME.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 90d, 12h, 5m or 30s")
    return int(found[1]) * _UNITS[found[2]]


def _say_which(parser: Parser) -> int:
    parser.print_help()
    return Exit.USAGE


def _create(args: argparse.Namespace) -> int:
    if args.database is None:
        order = {"name": args.name, "scopes": args.scope, "expires_in": args.expires}
        made = client(args, administers=True).post("/api/v1/tokens", order, expected=(201,)).body
    else:
        made = _offline(args.database, lambda book: _make(book, args))
    if args.json:
        print(json.dumps(made, indent=2, ensure_ascii=False))
        return Exit.WELL
    print("\n".join(_lines(made)))
    print("\nThe token, shown this once; send it as: Authorization: Bearer TOKEN")
    print(plain(made.get("secret")))
    return Exit.WELL


def _list(args: argparse.Namespace) -> int:
    if args.database is None:
        body = client(args, administers=True).get("/api/v1/tokens").body
    else:
        body = {"tokens": _offline(args.database, _all)}
    if args.json:
        print(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        blocks = ["\n".join(_lines(token)) for token in body.get("tokens") or []]
        print("\n".join(blocks) or "There is no token. Make one with: sitebind token create NAME --scope SCOPE")
    return Exit.WELL


def _revoke(args: argparse.Namespace) -> int:
    if args.database is None:
        gone = client(args, administers=True).delete(f"/api/v1/tokens/{quote(args.id, safe='')}").body
    else:
        gone = _offline(args.database, lambda book: _end(book, args.id))
    if args.json:
        print(json.dumps(gone, indent=2, ensure_ascii=False))
    else:
        print(f"{plain(gone.get('id'))} ({plain(gone.get('name'))}) is revoked; it is of no use any more.")
    return Exit.WELL


def _lines(token: Token) -> list[str]:
    now = datetime.now(UTC)
    expired = "" if token.get("valid", True) else ", EXPIRED"
    expires = moment(token.get("expires_at"), now=now)
    return [
        f"{plain(token.get('id'))}: {plain(token.get('name'))}{expired}",
        *labelled("may", ", ".join(token.get("scopes") or [])),
        *labelled("made", f"{moment(token.get('created_at'), now=now)} by {token.get('created_by')}"),
        *labelled("expires", expires),
        *labelled("last used", moment(token.get("last_used_at"), now=now)),
    ]


def _offline(database: Path, work: Callable[[TokenBook], Awaitable[T]]) -> T:
    """Do `work` on the database's tokens, under the lock that keeps daemons out. Raises `Failure`."""
    import asyncio

    from daemon.engine.tokens import TokenRefused, UnknownToken
    from daemon.ports import JournalUnavailable
    from daemon.store.holder import DatabaseInUse
    from daemon.store.schema import SchemaRefused

    if not database.is_file():
        raise Failure(f"{database}: there is no such database. It is made when the daemon first runs.", Exit.USAGE)
    try:
        return asyncio.run(_with_book(database, work))
    except DatabaseInUse as error:
        raise Failure(f"{error} Without --database the running daemon is asked.", Exit.FAILED) from None
    except (TokenRefused, UnknownToken) as error:
        said = f"there is no token {error}" if isinstance(error, UnknownToken) else str(error)
        raise Failure(f"{said}.", Exit.USAGE) from None
    except (JournalUnavailable, SchemaRefused) as error:
        raise Failure(str(error), Exit.FAILED) from None


async def _with_book(database: Path, work: Callable[[TokenBook], Awaitable[T]]) -> T:
    from daemon.engine.clock import SystemClock
    from daemon.engine.tokens import TokenBook
    from daemon.store.journal import SqliteJournal
    from daemon.store.tokens import SqliteTokens

    journal = SqliteJournal(database)
    await journal.open()
    try:
        book = TokenBook(SqliteTokens(journal), clock=SystemClock())
        await book.load()
        return await work(book)
    finally:
        await journal.close()


async def _make(book: TokenBook, args: argparse.Namespace) -> Token:
    from daemon.ports import Scope

    scopes = frozenset(map(Scope, args.scope))
    life = None if args.expires is None else timedelta(seconds=args.expires)
    token, secret = await book.create(args.name, scopes, lifetime=life, caller=_me())
    return {**_document(token), "secret": secret.reveal()}


async def _all(book: TokenBook) -> list[Token]:
    return [_document(token) for token in book.all()]


async def _end(book: TokenBook, token_id: str) -> Token:
    return _document(await book.revoke(token_id, caller=_me()))


def _me() -> Any:
    from daemon.engine.operations import Caller

    return Caller(actor=f"cli:uid={os.geteuid()}")


def _document(token: ApiToken) -> Token:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": sorted(scope.value for scope in token.scopes),
        "created_at": token.created_at.isoformat(),
        "created_by": token.created_by,
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        "last_used_at": token.last_used_at.isoformat() if token.last_used_at else None,
        "valid": token.is_valid(datetime.now(UTC)),
    }
