-- Bearer tokens of the HTTP API. What is stored of a token is its SHA-256: the token itself cannot be had from here.

CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    scopes       TEXT NOT NULL,               -- JSON: a list of words
    digest       TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
    created_at   TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   TEXT,
    last_used_at TEXT                         -- written now and then, not with every use
) STRICT;
