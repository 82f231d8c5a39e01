-- The audit chain, what belongs to each step, and the binding keys (sealed before they come here).

CREATE TABLE audit (
    seq           INTEGER PRIMARY KEY CHECK (seq > 0),
    at            TEXT NOT NULL,              -- RFC 3339, UTC, microseconds
    site          TEXT NOT NULL,              -- empty: the daemon as a whole
    actor         TEXT NOT NULL,
    event         TEXT NOT NULL,
    "before"      TEXT NOT NULL,
    "after"       TEXT NOT NULL,
    request_id    TEXT,
    detail        TEXT NOT NULL,              -- canonical JSON, redacted
    previous_hash TEXT NOT NULL,
    hash          TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_site ON audit (site);   -- an index ends in the row's id, so it is in order of seq

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: its records cannot be changed');
END;

CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: its records cannot be deleted');
END;

CREATE TABLE snapshots (
    site     TEXT PRIMARY KEY,
    document TEXT NOT NULL,                   -- JSON
    seq      INTEGER NOT NULL                 -- the audit record that made it
) STRICT, WITHOUT ROWID;

CREATE TABLE binds (
    id          TEXT NOT NULL,
    site        TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'succeeded', 'failed', 'cancelled')),
    fault       TEXT,
    started_at  TEXT NOT NULL,
    finished_at TEXT,
    steps       TEXT NOT NULL,                -- JSON
    PRIMARY KEY (site, id)
) STRICT;

CREATE INDEX binds_by_age ON binds (site, attempt);

CREATE TABLE vault (
    bind_id TEXT PRIMARY KEY,
    site    TEXT NOT NULL,
    version INTEGER NOT NULL,                 -- of the sealed document
    key_id  TEXT NOT NULL,                    -- which key sealed it
    nonce   BLOB NOT NULL,
    sealed  BLOB NOT NULL
) STRICT;

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
