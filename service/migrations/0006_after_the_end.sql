-- Why: an attempt can speak after its end: files that come a while later, a finish that is repeated for a day, a run
-- that was cut off and does not know it yet. What is remembered for that stands here.

-- New bytes of logs and artifacts are taken until then, of attempts that ended or whose orphan was kept. A time of its own, not
-- one counted from the end, so that it can be moved by the time the service was away. Short: what is over is removed.
CREATE TABLE open_files (
    attempt TEXT    PRIMARY KEY,                    -- also one that is not known here
    token   BLOB    NOT NULL,
    fence   INTEGER NOT NULL,
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The time to start is a deadline like any other, so that it too is moved by the time the service was away.
UPDATE attempts SET deadline = claimed_at + 900000 WHERE state = 'live' AND started_at IS NULL AND deadline IS NULL;

-- How many orphans of a job are kept, also of one that is not known.
CREATE INDEX results_orphans ON results (job_id) WHERE tier = 'orphan';

-- Attempts whose job was deleted. A node may still run one: it is to hear that, and not that nobody knows it, upon which
-- it would run on and bring an orphan.
CREATE TABLE gone (
    attempt TEXT    PRIMARY KEY,
    token   BLOB    NOT NULL,
    fence   INTEGER NOT NULL,
    stale   INTEGER NOT NULL,                       -- it was cut off; the others came to their end
    state   TEXT    NOT NULL,                       -- of the job, when it was deleted
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
