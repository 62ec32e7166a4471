-- Why: this table is the queue. There is no second one in memory that could drift apart from it. `key` never
-- leaves the database; `id` is what the world sees, and is never dealt twice, not even after a restore.

CREATE TABLE sweeps (
    id         TEXT    PRIMARY KEY,
    owner      INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    benchmark  TEXT    NOT NULL,
    input      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sweeps_owner ON sweeps (owner);

CREATE TABLE jobs (
    key              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT    NOT NULL UNIQUE,
    owner            INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    benchmark        TEXT    NOT NULL,
    parameters       TEXT    NOT NULL,              -- JSON, every one named
    spec_hash        TEXT    NOT NULL,              -- of benchmark and parameters: the same run again
    label            TEXT    NOT NULL,
    title            TEXT    NOT NULL,
    size             REAL    NOT NULL,
    work             REAL    NOT NULL,              -- score x seconds
    ranks            INTEGER NOT NULL,
    bytes_per_rank   INTEGER NOT NULL,
    bytes            INTEGER NOT NULL,              -- of all ranks
    need_node        TEXT,
    need_cores       INTEGER NOT NULL DEFAULT 0,
    need_labels      TEXT    NOT NULL DEFAULT '[]',
    express          INTEGER NOT NULL,
    walltime_s       INTEGER NOT NULL,
    estimate_s       REAL,
    visibility       TEXT    NOT NULL CHECK (visibility IN ('public', 'private')),
    sweep            TEXT    REFERENCES sweeps (id),
    state            TEXT    NOT NULL CHECK (state IN ('draft', 'held', 'queued', 'claimed', 'preparing', 'running',
                                 'finishing', 'verifying', 'lost', 'done', 'failed', 'cancelled', 'expired')),
    hold             TEXT    NOT NULL DEFAULT '',   -- why it is held: 'sweep' or an administrator's words
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    not_before       INTEGER NOT NULL DEFAULT 0,    -- a retry waits
    avoid_node       TEXT,                          -- where the last try failed
    due_at           INTEGER,                       -- when the reaper looks at it, at the latest
    fence            INTEGER NOT NULL DEFAULT 0,
    attempts         INTEGER NOT NULL DEFAULT 0,
    infra_retries    INTEGER NOT NULL DEFAULT 0,
    fail_class       TEXT,
    fail_code        TEXT,
    fail_detail      TEXT,
    created_at       INTEGER NOT NULL,
    state_at         INTEGER NOT NULL,
    last_event       INTEGER NOT NULL DEFAULT 0,
    -- A timer on every state that is not final, and on no other: the database itself insists.
    CHECK ((state IN ('done', 'failed', 'cancelled', 'expired')) = (due_at IS NULL))
) STRICT;
CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX jobs_line ON jobs (owner, express, key) WHERE state = 'queued';
CREATE INDEX jobs_active ON jobs (state, key) WHERE due_at IS NOT NULL;
CREATE INDEX jobs_sweep ON jobs (sweep, key) WHERE sweep IS NOT NULL;
-- One index for each way in which jobs are listed, latest first.
CREATE INDEX jobs_owner ON jobs (owner, key);
CREATE INDEX jobs_owner_state ON jobs (owner, state, key);
CREATE INDEX jobs_public ON jobs (visibility, key);
CREATE INDEX jobs_public_state ON jobs (visibility, state, key);
CREATE INDEX jobs_public_benchmark ON jobs (visibility, benchmark, state, key);

-- One line per owner. Counters are kept by the triggers below, so that no code path can forget them. `share` is
-- log2 of the node seconds used, each doubled in weight for every week since 2026: dividing by the weight of today
-- makes use fade by half a week, and the order of owners never changes by waiting, so that it can be an index.
CREATE TABLE lines (
    owner   INTEGER PRIMARY KEY REFERENCES users (key) ON DELETE CASCADE,
    share   REAL    NOT NULL DEFAULT -1000.0,
    queued  INTEGER NOT NULL DEFAULT 0 CHECK (queued >= 0),
    express INTEGER NOT NULL DEFAULT 0 CHECK (express >= 0),   -- of the queued ones
    running INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0)
) STRICT;
CREATE INDEX lines_next ON lines (share, owner) WHERE queued > 0;
CREATE INDEX lines_express ON lines (share, owner) WHERE express > 0;
CREATE INDEX lines_other ON lines (share, owner) WHERE queued > express;

CREATE TRIGGER job_enters AFTER INSERT ON jobs BEGIN
    INSERT INTO lines (owner) VALUES (new.owner) ON CONFLICT DO NOTHING;
    UPDATE lines SET queued  = queued  + (new.state = 'queued'),
                     express = express + (new.state = 'queued' AND new.express),
                     running = running + (new.state IN ('claimed', 'preparing', 'running', 'finishing', 'lost'))
     WHERE owner = new.owner;
END;
CREATE TRIGGER job_moves AFTER UPDATE OF state ON jobs WHEN old.state <> new.state BEGIN
    UPDATE lines
       SET queued  = queued  + (new.state = 'queued') - (old.state = 'queued'),
           express = express + (new.state = 'queued' AND new.express) - (old.state = 'queued' AND old.express),
           running = running + (new.state IN ('claimed', 'preparing', 'running', 'finishing', 'lost'))
                             - (old.state IN ('claimed', 'preparing', 'running', 'finishing', 'lost'))
     WHERE owner = new.owner;
END;
CREATE TRIGGER job_leaves AFTER DELETE ON jobs BEGIN
    UPDATE lines
       SET queued  = queued  - (old.state = 'queued'),
           express = express - (old.state = 'queued' AND old.express),
           running = running - (old.state IN ('claimed', 'preparing', 'running', 'finishing', 'lost'))
     WHERE owner = old.owner;
END;
-- Law 10 in the database: final stays final, and a fence never falls.
CREATE TRIGGER job_end_is_final BEFORE UPDATE OF state ON jobs
    WHEN old.state IN ('done', 'failed', 'cancelled', 'expired') AND new.state <> old.state
    BEGIN SELECT raise(ABORT, 'a final state stays final'); END;
CREATE TRIGGER job_fence_grows BEFORE UPDATE OF fence ON jobs WHEN new.fence < old.fence
    BEGIN SELECT raise(ABORT, 'a fence never falls'); END;

CREATE TABLE attempts (
    key         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,
    job         INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
    fence       INTEGER NOT NULL,
    node        INTEGER NOT NULL REFERENCES nodes (key),
    token       BLOB    NOT NULL,
    boot_id     TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('live', 'lost', 'ended', 'stale')),
    lease_until INTEGER NOT NULL,
    deadline    INTEGER,                            -- walltime and grace after it started
    beat_seq    INTEGER NOT NULL DEFAULT 0,
    beat_at     INTEGER NOT NULL,
    event_seq   INTEGER NOT NULL DEFAULT 0,
    progress    TEXT,
    dropped     TEXT    NOT NULL DEFAULT '{}',
    claimed_at  INTEGER NOT NULL,
    walltime_s  INTEGER NOT NULL,                   -- as the node was told with the assignment
    started_at  INTEGER,
    finishing_at INTEGER,
    ended_at    INTEGER,
    finish_hash BLOB,                               -- of the finish that was accepted, to know its copies
    UNIQUE (job, fence)
) STRICT;
-- Whatever a bug above may do: one attempt of a job that may write, and one attempt on a node.
CREATE UNIQUE INDEX one_live_attempt ON attempts (job) WHERE state IN ('live', 'lost');
CREATE UNIQUE INDEX one_attempt_a_node ON attempts (node) WHERE state IN ('live', 'lost');

-- The record: append-only, the timeline of a job, its audit and the source of the event streams.
CREATE TABLE events (
    key  INTEGER PRIMARY KEY AUTOINCREMENT,         -- the order over all jobs: Last-Event-ID of the queue's stream
    job  INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
    seq  INTEGER NOT NULL,                          -- the order within the job: Last-Event-ID of its stream
    at   INTEGER NOT NULL,
    kind TEXT    NOT NULL,
    state TEXT   NOT NULL,                          -- where the job stands after it
    data TEXT    NOT NULL,
    node_ms INTEGER,                                -- by the node's own clock, since the attempt began
    UNIQUE (job, seq)
) STRICT;
-- The queue's stream passes over progress, of which there is most.
CREATE INDEX events_moves ON events (key) WHERE kind <> 'progress';
