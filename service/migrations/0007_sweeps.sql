-- Why: a sweep that finds good parameters in less time. Its runs go in a random order, so that neither heat nor the time
-- of day favours a point; each point may run several times, as one run tells little; and a run that can no longer be the
-- best may be ended early.

-- What the order was drawn with. Sweeps from before run in the order of their input file and have none.
ALTER TABLE sweeps ADD COLUMN seed INTEGER;
ALTER TABLE sweeps ADD COLUMN repeats INTEGER NOT NULL DEFAULT 1 CHECK (repeats BETWEEN 1 AND 5);
ALTER TABLE sweeps ADD COLUMN stop_hopeless INTEGER NOT NULL DEFAULT 0 CHECK (stop_hopeless IN (0, 1));

-- Runs that their sweep ended early, and with which numbers: one row a job, the latest.
CREATE TABLE stopped (
    job      INTEGER PRIMARY KEY REFERENCES jobs (key) ON DELETE CASCADE,
    fraction REAL    NOT NULL CHECK (fraction BETWEEN 0 AND 1),
    score    REAL    NOT NULL CHECK (score < best),
    best     REAL    NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
