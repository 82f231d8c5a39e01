"""Every `code` of a problem document: when it is answered, and what to do then. Held to the sources by a test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import daemon
from states import Refusal

CODES: Final[dict[str, tuple[str, str]]] = {
    "backup-of-another-trail": (
        "the backup's last record is not one of this daemon's trail",
        "Name the daemon that holds the database with `--config` or `--url`.",
    ),
    "bad-body": ("the body broke off on its way, or is not framed as HTTP wants it", "Send it again."),
    "bad-field": (
        "a field of the body is unknown, missing or of the wrong kind; `field` names it",
        "Correct the field.",
    ),
    "bad-header": ("If-Match is not one ETag in quotes", "Send the `ETag` of the version as it was answered."),
    "bad-json": ("the body is no JSON object in UTF-8", "Send one; the detail names the character."),
    "bad-query": ("a parameter of the query makes no sense; `field` names it", "Correct the parameter."),
    "bind-in-progress": (
        "one-time credentials were sent while a bind is open; `bind_id` names it",
        "Wait for its end (`GET …/binds/ID`), then ask again.",
    ),
    "body-late": ("the body did not arrive within 10 s", "Send it whole at once; look for a slow way."),
    "config-changed": (
        "the configuration file is another one than the change was made from; `config` and `merge` tell both sides",
        "Look at `merge`, and send the change again with the new `ETag`.",
    ),
    "config-invalid": ("the file would have errors; `findings` lists them, and nothing was written", "Correct them."),
    "config-managed-externally": (
        "the file is read-only, a link, or part of a ConfigMap",
        "Change it where it comes from; it is picked up by itself.",
    ),
    "config-not-written": ("the disk refused the new file; the old one is as it was", "Make room, or mend the disk."),
    "configuration-rejected": (
        "a reload found errors; `findings` lists them, and the last good settings stay in force",
        "Mend the file; `sitebind check-config` says the same.",
    ),
    "cross-origin": ("a browser sent it on behalf of another origin", "Call the API from its own address."),
    "directory-failed": (
        "a look-up failed in the directory; `fault` and `remedy` say how",
        "502: do what `remedy` says. 503: it may work after `Retry-After`.",
    ),
    "directory-not-configured": ("the site has no directory to look it up in", "Set what the detail names."),
    "encoded-body": ("the body has a Content-Encoding", "Send it as it is."),
    "host-missing": ("the request has no Host header", "Send one."),
    "host-not-allowed": (
        "the Host header is no name of this daemon",
        "Use one, or add it to `[daemon] allowed_hosts`.",
    ),
    "if-match-required": ("a change of the configuration came without If-Match", "Read it first; send its `ETag`."),
    "insecure-transport": (
        "a secret came over the open network, where others could read it",
        "Change that secret. Use the socket, loopback or TLS.",
    ),
    "internal": ("a defect in sitebind", "Report the log lines of this `request_id`."),
    "journal-unavailable": (
        "the journal cannot be written, and nothing was done",
        "Look for a full or read-only disk; what waits is recorded by itself afterwards.",
    ),
    "method-not-allowed": ("the path does not know the method", "Use one that `Allow` names."),
    "not-configured": ("the site has no usable configuration; `findings` may say why", "Mend its file."),
    "not-found": ("nothing is served under this path", "See this page, or `GET /openapi.json`."),
    "not-json": ("the body is not application/json", "Send `Content-Type: application/json`."),
    "nothing-to-unbind": ("the site holds no binding", "None is needed."),
    "password-required": (
        "the metrics' listener wants a user and password",
        "Use one of `basic_auth_users`, or a token.",
    ),
    "scope-missing": ("the caller or its token may not do this", "Use a token with the scope that the detail names."),
    "signs-in-as-application": (
        "an e-mail address and a password were sent for a site that signs in as an application",
        "Ask for a bind without them.",
    ),
    "site-not-named": ("there are several sites, and none was named; `sites` lists them", "Add `?site=ID`."),
    "stopping": ("the daemon is about to stop", "Ask again when it runs."),
    "token-expired": ("the token has expired", "Make a new one: `sitebind token create`."),
    "token-limit": ("two valid tokens have this name already, or there are 200", "Revoke one."),
    "token-not-configured": ("a token is needed, and there is none", "Make one: `sitebind token create`."),
    "token-required": ("a token is needed", "Send `Authorization: Bearer TOKEN`."),
    "token-wrong": ("the token is none that this daemon knows", "Look for a typo; a token that is sent must be right."),
    "too-large": ("the body is larger than 64 KiB", "Send less."),
    "too-many-requests": ("more than `[daemon] rate_limit` from this caller", "Wait for `Retry-After`."),
    "too-many-streams": ("16 event streams of this caller, or 64 in all, are open", "Close some."),
    "unknown-bind": ("the site has no such bind", "`GET …/binds` lists them."),
    "unknown-site": ("there is no such site", "`GET /api/v1/sites` lists them."),
    "unknown-token": ("there is no such token", "`GET /api/v1/tokens` lists them."),
    "vault-key-configured": ("the vault's key is configured, so a new one must be named", "Send `new_key`."),
    "vault-locked": (
        "the present or the new key of the vault cannot be had",
        "The detail says where it was looked for.",
    ),
}
_WHERE: Final = ("web/*.py", "engine/*.py")
_CALLS: Final = {"HttpProblem": 1, "RequestRefused": 0, "_wrong": 0, "_too_many": 1}
"""What makes a problem, and which argument is its code."""


def codes_in_the_sources() -> set[str]:
    """Every code that the API can answer; the page's own forms (`web/ui`) answer people, not programs."""
    package = Path(daemon.__file__).parent
    files = (path for pattern in _WHERE for path in package.glob(pattern))
    found = {code for path in files for code in _codes(ast.parse(path.read_text(encoding="utf-8")))}
    return found | {refusal.value for refusal in Refusal} | {"not-found", "method-not-allowed", "too-large"}


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS):
            continue
        for value in node.args[_CALLS[node.func.id] :][:1]:
            if isinstance(value, ast.Constant) and re.fullmatch(r"[a-z]+(-[a-z]+)*", str(value.value)):
                yield str(value.value)
