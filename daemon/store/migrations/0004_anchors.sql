-- Where the trail begins after old records were pruned: the record that the newest of these names is the last one gone.

CREATE TABLE audit_anchors (
    seq       INTEGER PRIMARY KEY CHECK (seq > 0),
    hash      TEXT NOT NULL CHECK (length(hash) = 64),
    count     INTEGER NOT NULL CHECK (count > 0),   -- records that went with it
    at        TEXT NOT NULL,                        -- of the record audit_pruned
    key       TEXT NOT NULL,                        -- the fingerprint of the key that signed it
    signature TEXT NOT NULL
) STRICT;

DROP TRIGGER audit_is_never_shortened;

CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
WHEN OLD.seq > (SELECT coalesce(max(seq), 0) FROM audit_anchors)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: its records cannot be deleted');
END;

CREATE TRIGGER anchors_are_never_changed BEFORE UPDATE ON audit_anchors
BEGIN
    SELECT RAISE(ABORT, 'anchors of the audit trail cannot be changed');
END;

CREATE TRIGGER anchors_are_never_removed BEFORE DELETE ON audit_anchors
BEGIN
    SELECT RAISE(ABORT, 'anchors of the audit trail cannot be removed');
END;
