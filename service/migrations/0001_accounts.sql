-- Why: people are known by a username and what they can prove. Nothing here can be read back into a secret:
-- passwords are argon2id strings, everything else that opens a door is a SHA-256.

CREATE TABLE users (
    key         INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE CHECK (length(name) BETWEEN 3 AND 32 AND name NOT GLOB '*[^a-z0-9_-]*'),
    password    TEXT    NOT NULL,
    role        TEXT    NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    cohort      TEXT    NOT NULL DEFAULT '',       -- a course or team; quotas may be set for it
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER
) STRICT;

-- There is no e-mail address, so these codes are the only way back in.
CREATE TABLE recovery_codes (
    user    INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    hash    BLOB    NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    key        INTEGER PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    cohort     TEXT    NOT NULL DEFAULT '',
    revoked_at INTEGER
) STRICT;

-- `data` belongs to the session library; who and when stand beside it, so that sessions can be listed and revoked.
CREATE TABLE sessions (
    hash       BLOB    PRIMARY KEY,
    public_id  TEXT    NOT NULL UNIQUE,             -- names a session in a list without opening it
    user       INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    data       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,                    -- the end of idleness, never later than the end of the session
    ends_at    INTEGER NOT NULL,                    -- the end of the session, whatever happens
    address    TEXT    NOT NULL DEFAULT '',
    agent      TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX sessions_user ON sessions (user);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE api_tokens (
    key          INTEGER PRIMARY KEY,
    user         INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE,
    scopes       TEXT    NOT NULL,                  -- words with blanks between: read submit admin metrics
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX api_tokens_user ON api_tokens (user);

-- For one user, or for a cohort; a column that is NULL leaves the setting of the service in force.
CREATE TABLE quotas (
    subject        TEXT PRIMARY KEY,                -- 'user:NAME' or 'cohort:NAME'
    running_max    INTEGER CHECK (running_max >= 0),
    queued_max     INTEGER CHECK (queued_max >= 0),
    walltime_max_s INTEGER CHECK (walltime_max_s > 0),
    changed_at     INTEGER NOT NULL
) STRICT;

-- Who did what to whom. Rows are written and never touched again: the database itself refuses.
CREATE TABLE audit (
    key     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,                       -- username, 'node:NAME', 'console' or 'service'
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    address TEXT    NOT NULL,
    before  TEXT,
    after   TEXT
) STRICT;
CREATE INDEX audit_action ON audit (action, key);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE key = new.key)
    BEGIN SELECT raise(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'audit is append-only'); END;

-- An answer that was lost on the way is given again to the same request.
CREATE TABLE idempotency (
    user       INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    idem_key   TEXT    NOT NULL,
    request    BLOB    NOT NULL,                    -- SHA-256 of what was asked
    status     INTEGER NOT NULL,
    answer     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user, idem_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);

-- What the service remembers of itself: when it was last alive, so that a restart extends every lease by the
-- time it was away.
CREATE TABLE memory (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
