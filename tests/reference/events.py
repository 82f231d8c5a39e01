"""docs/reference/audit-events.md: what every event name in the trail means, and what its detail holds.

The site's own events say it themselves (`states.events`); those of the daemon are told here, and a test finds the ones
that are missing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Final

import daemon
from states import EVENTS, Event
from states.events import _NOT_IN_DETAIL, BindSucceeded
from tests.reference.markdown import code, codes, page, table, title

FIRST: Final = """\
Every event that a record of the audit trail can name. [audit.md](../audit.md) tells how the trail is proven and
exported, and [lifecycle.md](../lifecycle.md) when a site goes from one state to another. A field of `detail` that
would be empty is left out, and no field ever holds a secret."""
ACTORS: Final = (
    ("`daemon`", "the daemon by itself"),
    ("`watch:file`, `signal:SIGHUP`", "a file that was saved; the signal"),
    ("`http:ADDRESS`", "a call without a token"),
    (
        "`token:NAME(ID)@ADDRESS`, `token:api_token@ADDRESS`",
        "a call with that token; who signed in to the page with it, too",
    ),
    ("`unix:uid=NUMBER`", "a call over the socket, by the number that the kernel says"),
    ("`cli:USER`", "a command that worked on the database of a stopped daemon"),
    ("`others`", "callers that shared one record, because there were too many"),
)
OWN: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "admin_used": ("Somebody uses the scope admin. Recorded before it is done.", ("call",)),
    "audit_exported": (
        "Somebody exports the trail over the API. Recorded before the first line.",
        ("format", "filter"),
    ),
    "audit_pruned": (
        "Old records were pruned. Recorded, with the signed anchor behind which the trail begins then, before they go.",
        ("first", "last", "records", "hash", "before", "key", "signature"),
    ),
    "backup_made": ("A backup was copied and proven.", ("file", "records", "last", "head")),
    "call_refused": (
        "A call was refused: 401, 403, 421 or 429. Those that follow within a minute share one record with a count.",
        ("code", "status", "call", "count", "kinds", "first_at", "last_at"),
    ),
    "config_write": ("Somebody changes a configuration file. Recorded before it is written.", ("file", "changes")),
    "config_write_failed": ("The file could not be written, and is what it was.", ("file", "reason")),
    "config_written": ("The file was written; the one before lies beside it.", ("file", "backup")),
    "daemon_started": ("The daemon has read its database and begins.", ("version", "sites")),
    "daemon_stopped": ("The daemon stopped in order. A start without one before it follows on a crash.", ()),
    "doctor_finished": ("The doctor's login ended.", ("sign_in", "role", "keys", "fault")),
    "doctor_ran": ("The doctor examines the site. Recorded before any key or sign-in is used.", ("sign_in",)),
    "journal_recovered": (
        "Records can be written again, after a time in which they could not.",
        ("since", "failures", "reason"),
    ),
    "restored": (
        "A backup took the place of the database.",
        ("records", "head", "replaced_head", "missing", "kept_as"),
    ),
    "signed_in": ("Somebody exchanged a token for a session of the page.", ()),
    "signed_out": ("Somebody ended such a session.", ()),
    "token_created": ("A token was made.", ("token", "name", "scopes", "expires_at")),
    "token_revoked": ("A token was revoked.", ("token", "name", "scopes", "expires_at")),
    "vault_rekeyed": (
        "The stored keys were sealed with another key.",
        ("records", "old_key", "new_key", "not_opened", "source"),
    ),
}
FIELDS: Final[dict[str, str]] = {
    "account_code": "the Mimecast account",
    "at_start": "true where the daemon found it as it started",
    "attempt": "the attempt's number; it never goes back",
    "backup": "the name of the file as it was, in `backups`",
    "before": "the day before which all of them were",
    "bind_id": "the bind that it belongs to: `GET …/binds/ID` has its steps",
    "call": "method and pattern of the path",
    "changes": "section and option of each, and what becomes of it; for `config_write` the old and new plain values",
    "code": "why it was refused: [the codes](api.md#errors)",
    "company": "the company's name at the service",
    "count": "so many calls stand in this one record",
    "credentials": "keyed fingerprint of the sign-in that was refused",
    "detail": "what was seen, in words",
    "expires_at": "when it ends",
    "failures": "so many records could not be written at first",
    "fault": "why, by its code: [every fault](../troubleshooting.md#every-fault)",
    "file": "the file's name",
    "filter": "which records were asked for",
    "findings": "what is wrong, each with file and line",
    "first": "the number of the first record",
    "first_at": "when the first of them was",
    "format": "the form of the export",
    "hash": "the hash of the last of them",
    "head": "the hash of the last record",
    "ignored": "why the event changed nothing: it came too late",
    "impact": "what the change asks for",
    "joined": "the open bind that a request joined",
    "kept_as": "where the replaced database lies",
    "key": "the fingerprint of the key that signed it",
    "keys": "what became of the keys of the login",
    "kinds": "how many of each code",
    "last": "the number of the last record",
    "last_at": "when the last of them was",
    "left_behind": "keys that the service may still accept",
    "local_only": "true where the service is not asked",
    "method": "how the site signs in",
    "missing": "so many records of the replaced database are not in the backup; null: not known",
    "name": "the token's name",
    "new_key": "a name of the new key that says nothing about it",
    "not_opened": "binds whose keys opened with neither key",
    "old_key": "a name of the old key",
    "one_time": "true where a sign-in came with the request",
    "reason": "why, in words: what was said, or what was seen",
    "records": "how many",
    "refused": "why the request was turned down, by its code",
    "region": "where the account is hosted",
    "replaced_head": "the hash of the replaced database's last record",
    "retry_after": "seconds that the service asked to wait",
    "retry_at": "when the next attempt starts by itself",
    "role": "the signed-in user's role",
    "scopes": "what the token may do",
    "sign_in": "whether a login is tried; at its end how it went",
    "signature": "of the anchor, in base64",
    "since": "since when nothing could be written",
    "sites": "how many sites the database holds",
    "source": "where the new key lies, never the key",
    "status": "the answer's status",
    "token": "the token's id",
    "version": "sitebind's own",
    "warnings": "what the site works with, but should not",
    "why": "the same in words",
}
MOVED: Final = ("bind_id", "attempt", "joined", "retry_at")
TURNED_DOWN: Final = ("refused", "why", "ignored")
_BINDING: Final = ("bind_id", "method", "account_code", "company", "region", "expires_at")
_WHERE: Final = ("engine/*.py", "store/*.py", "cli/*.py", "web/*.py", "web/ui/*.py")
_WRITERS: Final = frozenset({"JournalEntry", "_note", "_note_result", "_entry", "signed"})
_NAME: Final = re.compile(r"[a-z]+(_[a-z]+)+|restored")


def text() -> str:
    """The page."""
    lines = title("Audit events", first=FIRST)
    lines += ["## Of a site", "", "Each moved the site, or left it as it was: `before` and `after` tell."]
    lines += ["", *table(("Event", "What happened", "Detail"), _of_a_site())]
    lines += [f"Where a bind is open or ends, also {codes(MOVED)}. A request that was turned down, and an event that"]
    lines += [f"came too late, have {codes(TURNED_DOWN)} beside these.", ""]
    own = ((f"`{name}`", said, codes(detail)) for name, (said, detail) in sorted(OWN.items()))
    lines += ["## Of the daemon and its callers", "", *table(("Event", "What happened", "Detail"), own)]
    lines += ["`config_accepted` and `config_rejected` without a site are about `[daemon]`.", ""]
    lines += ["## Who", "", *table(("Actor", "Who it is"), ACTORS)]
    lines += [
        "## The detail's fields",
        "",
        *table(("Field", "Meaning"), [(code(name), said) for name, said in FIELDS.items()]),
    ]
    return page(lines)


def detail_names(event: type[Event]) -> tuple[str, ...]:
    """The fields of `detail` that the event itself brings."""
    own = tuple(field.name for field in fields(event) if field.name not in _NOT_IN_DETAIL)
    return tuple(dict.fromkeys((*own, *(_BINDING if event is BindSucceeded else ()))))


def events_in_the_sources() -> set[str]:
    """Every event name that some record is written with, apart from those of `states.events`."""
    package = Path(daemon.__file__).parent
    files = (path for pattern in _WHERE for path in package.glob(pattern))
    return {name for path in files for name in _written(ast.parse(path.read_text(encoding="utf-8")))}


def _of_a_site() -> Iterator[tuple[str, str, str]]:
    for event in EVENTS:
        said = (event.__doc__ or "").partition("\n\n")[0]
        yield code(event.trigger), said, codes(detail_names(event))


def _written(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) in _WRITERS:
            given = [*node.args[:2], *(word.value for word in node.keywords if word.arg == "event")]
            yield from (name for one in given for name in _names(one))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            yield from (name for name in _names(node.value) if name.startswith("config_"))


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _names(node: ast.expr) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and _NAME.fullmatch(inner.value):
            yield inner.value
