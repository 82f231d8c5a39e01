-- What the audit trail is searched by, and the moves of a site, which its history is drawn from.
-- An index ends in the row's id, so that what is equal in it stands in order of seq.

CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_actor ON audit (actor);
CREATE INDEX audit_by_event ON audit (event);
CREATE INDEX audit_moves ON audit (site, at) WHERE "before" <> "after";
