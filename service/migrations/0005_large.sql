-- Why: a million jobs. Every list reads an index that is in its order and holds all that it filters by, so that what
-- does not match costs no look at the table; and the line of owners can be summed up from its index alone.

DROP INDEX jobs_owner;
DROP INDEX jobs_owner_state;
DROP INDEX jobs_public_benchmark;
-- One's own jobs, or another's public ones; of any benchmark.
CREATE INDEX jobs_owner ON jobs (owner, key, benchmark, visibility);
-- The same in one state.
CREATE INDEX jobs_owner_state ON jobs (owner, state, key, benchmark, visibility);
-- Everybody's of one benchmark.
CREATE INDEX jobs_public_benchmark ON jobs (visibility, benchmark, key);
-- The same in one state.
CREATE INDEX jobs_public_benchmark_state ON jobs (visibility, benchmark, state, key);

DROP INDEX lines_next;
-- How many jobs come before an owner's.
CREATE INDEX lines_next ON lines (share, owner, queued) WHERE queued > 0;
