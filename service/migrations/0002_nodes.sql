-- Why: a node is a machine that dials in. What it may do (labels, trust) is set here, by its join token or an
-- administrator, and never by the node itself; what it is, it says at every hello.

CREATE TABLE join_tokens (
    key        INTEGER PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE,
    labels     TEXT    NOT NULL DEFAULT '[]',       -- JSON array of words
    trusted    INTEGER NOT NULL DEFAULT 0 CHECK (trusted IN (0, 1)),
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE nodes (
    key              INTEGER PRIMARY KEY,
    id               TEXT    NOT NULL UNIQUE,
    name             TEXT    NOT NULL,
    token            BLOB    NOT NULL UNIQUE,
    labels           TEXT    NOT NULL DEFAULT '[]',
    trusted          INTEGER NOT NULL DEFAULT 0,    -- whether results of this node can be Verified
    machine_id       TEXT    NOT NULL,
    boot_id          TEXT    NOT NULL DEFAULT '',
    version          TEXT    NOT NULL DEFAULT '',
    info             TEXT    NOT NULL DEFAULT '{}', -- NodeInfo as it said hello
    abilities        TEXT    NOT NULL DEFAULT '{}',
    kind             TEXT    NOT NULL DEFAULT '',   -- the CPU model: the category of its results
    cores            INTEGER NOT NULL DEFAULT 0,
    memory           INTEGER NOT NULL DEFAULT 0,    -- bytes in all
    memory_available INTEGER NOT NULL DEFAULT 0,    -- bytes at the last claim or hello
    free_disk        INTEGER NOT NULL DEFAULT 0,
    unhealthy        TEXT    NOT NULL DEFAULT '[]', -- its own reasons not to get a job
    draining         INTEGER NOT NULL DEFAULT 0,
    express_streak   INTEGER NOT NULL DEFAULT 0,    -- express jobs since the last other one
    claim_seq        INTEGER NOT NULL DEFAULT 0,    -- the last claim of this boot
    joined_at        INTEGER NOT NULL,
    seen_at          INTEGER NOT NULL,
    revoked_at       INTEGER
) STRICT;
CREATE INDEX nodes_seen ON nodes (seen_at);
