-- Why: leaderboards as they stood on a day, of verified results alone, or of a cohort, are computed when asked for. All
-- that they look at is in this index: of each owner the results one after the other.
CREATE INDEX results_moment ON results (benchmark, owner, created_at, tier, kind, cores, score, percent)
    WHERE ranked = 1;
-- The people of a cohort.
CREATE INDEX users_cohort ON users (cohort);
