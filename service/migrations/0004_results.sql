-- Why: a result is what a finished attempt delivered, with all that speaks for it. At most one of a job is
-- accepted, by an index. What came too late is kept beside it, unranked.

CREATE TABLE results (
    key         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,            -- the id of the attempt it came from
    job         INTEGER REFERENCES jobs (key) ON DELETE CASCADE,
    job_id      TEXT    NOT NULL,                   -- also of a job that is not known any more
    owner       INTEGER REFERENCES users (key) ON DELETE CASCADE,
    benchmark   TEXT    NOT NULL,
    accepted    INTEGER NOT NULL DEFAULT 0 CHECK (accepted IN (0, 1)),
    ranked      INTEGER NOT NULL DEFAULT 0 CHECK (ranked IN (0, 1)),
    public      INTEGER NOT NULL DEFAULT 0 CHECK (public IN (0, 1)),
    tier        TEXT    NOT NULL CHECK (tier IN ('pending', 'verified', 'reported', 'flagged', 'failed', 'orphan')),
    assessed    TEXT    NOT NULL DEFAULT '',        -- the tier by its evidence, whatever an administrator flagged
    rankable    INTEGER NOT NULL DEFAULT 0 CHECK (rankable IN (0, 1)),  -- it passed, and was run as rankings ask
    passed      INTEGER NOT NULL DEFAULT 0,
    check_text  TEXT    NOT NULL DEFAULT '',
    score       REAL    NOT NULL DEFAULT 0,
    seconds     REAL    NOT NULL DEFAULT 0,
    size        REAL    NOT NULL DEFAULT 0,
    percent     REAL    NOT NULL DEFAULT 0,         -- of the node's measured peak; 0 where there was none
    node        INTEGER REFERENCES nodes (key),
    kind        TEXT    NOT NULL DEFAULT '',        -- category: the CPU model
    cores       INTEGER NOT NULL DEFAULT 0,         -- category
    label       TEXT    NOT NULL DEFAULT '',
    flag_why    TEXT    NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL,
    spec_hash   TEXT    NOT NULL DEFAULT '',
    -- The long ones last: lists do not read as far.
    parameters  TEXT    NOT NULL,
    files       TEXT    NOT NULL DEFAULT '[]',      -- names, lengths and hashes as they were announced
    findings    TEXT    NOT NULL DEFAULT '[]',      -- what we saw in it
    evidence    TEXT    NOT NULL DEFAULT 'null',    -- what the daemon said
    report      TEXT    NOT NULL,                   -- what the program said
    -- Whatever a bug above may do: nothing hidden, doubtful or late is ranked.
    CHECK (ranked = 0 OR accepted = 1 AND public = 1 AND rankable = 1 AND tier IN ('verified', 'reported')
                      AND owner IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX one_result ON results (job) WHERE accepted = 1;
CREATE INDEX results_job ON results (job);
CREATE INDEX results_at ON results (created_at, key);
-- Lists run down one of these four, latest first, and find in it all that they filter by: looking at thousands of
-- entries for a few that match reads no row of the table.
CREATE INDEX results_public ON results (public, key, benchmark, tier, score, size, created_at, cores, owner, node, kind)
    WHERE accepted = 1;
CREATE INDEX results_kind ON results (public, kind, key, benchmark, tier, score, size, created_at, cores, owner, node)
    WHERE accepted = 1;
CREATE INDEX results_node ON results (node, public, key, benchmark, tier, score, size, created_at, cores, owner, kind)
    WHERE accepted = 1;
CREATE INDEX results_owner ON results (owner, key, benchmark, tier, score, size, created_at, cores, node, kind, public, accepted);
-- Who else reached the same with the same.
CREATE INDEX results_spec ON results (spec_hash, score, tier, node, created_at) WHERE accepted = 1 AND public = 1;
-- What the prediction of a node rests on.
CREATE INDEX results_history ON results (node, benchmark, key, tier, size, score) WHERE accepted = 1 AND passed = 1;
-- Among these the next best of an owner is found.
CREATE INDEX results_best ON results (benchmark, owner, kind, cores, score, percent) WHERE ranked = 1;

-- The leaderboards: one entry a benchmark, measure, category and owner. An empty kind, or no cores, means all of
-- them. Kept by triggers within the transaction that changes a result, so there is nothing to go stale.
CREATE TABLE board (
    benchmark TEXT    NOT NULL,
    measure   TEXT    NOT NULL CHECK (measure IN ('score', 'percent')),
    kind      TEXT    NOT NULL,
    cores     INTEGER NOT NULL,
    owner     INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    value     REAL    NOT NULL,
    result    INTEGER NOT NULL REFERENCES results (key) ON DELETE CASCADE,
    PRIMARY KEY (benchmark, measure, kind, cores, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX board_rank ON board (benchmark, measure, kind, cores, value DESC, result);
CREATE INDEX board_result ON board (result);
CREATE INDEX board_owner ON board (owner);

-- How many entries each of them has, so that a list of leaderboards need not count.
CREATE TABLE categories (
    benchmark TEXT    NOT NULL,
    measure   TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    cores     INTEGER NOT NULL,
    entries   INTEGER NOT NULL CHECK (entries >= 0),
    PRIMARY KEY (benchmark, measure, kind, cores)
) STRICT, WITHOUT ROWID;

-- Results that were the best of a category when they came to be ranked. Who reads it takes those that are above all
-- before them, so that a row too many does no harm.
CREATE TABLE records (
    benchmark TEXT    NOT NULL,
    measure   TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    cores     INTEGER NOT NULL,
    result    INTEGER NOT NULL REFERENCES results (key) ON DELETE CASCADE,
    value     REAL    NOT NULL,
    PRIMARY KEY (benchmark, measure, kind, cores, result)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_result ON records (result);

-- A new ranked result takes the place of its owner's entry wherever it is better.
CREATE TRIGGER result_is_ranked AFTER UPDATE OF ranked ON results WHEN new.ranked = 1 AND old.ranked = 0 BEGIN
    INSERT INTO records (benchmark, measure, kind, cores, result, value)
        SELECT new.benchmark, m.measure, k.kind, c.cores, new.key, m.value
          FROM (SELECT 'score' AS measure, new.score AS value UNION ALL SELECT 'percent', new.percent) m,
               (SELECT '' AS kind UNION ALL SELECT new.kind WHERE new.kind <> '') k,
               (SELECT 0 AS cores UNION ALL SELECT new.cores WHERE new.cores <> 0) c
         WHERE (m.measure = 'score' OR new.percent > 0)
           AND m.value > coalesce((SELECT b.value FROM board b
                                    WHERE b.benchmark = new.benchmark AND b.measure = m.measure
                                      AND b.kind = k.kind AND b.cores = c.cores
                                    ORDER BY b.value DESC LIMIT 1), -1.0)
    ON CONFLICT DO NOTHING;
    INSERT INTO board (benchmark, measure, kind, cores, owner, value, result)
        SELECT new.benchmark, m.measure, k.kind, c.cores, new.owner, m.value, new.key
          FROM (SELECT 'score' AS measure, new.score AS value UNION ALL SELECT 'percent', new.percent) m,
               (SELECT '' AS kind UNION ALL SELECT new.kind WHERE new.kind <> '') k,
               (SELECT 0 AS cores UNION ALL SELECT new.cores WHERE new.cores <> 0) c
         WHERE m.measure = 'score' OR new.percent > 0
    ON CONFLICT (benchmark, measure, kind, cores, owner)
        DO UPDATE SET value = excluded.value, result = excluded.result WHERE excluded.value > value;
END;
-- One that is ranked no longer (flagged, or made private) leaves the boards. One that is deleted leaves them too, by
-- its foreign keys.
CREATE TRIGGER result_is_unranked AFTER UPDATE OF ranked ON results WHEN new.ranked = 0 AND old.ranked = 1 BEGIN
    DELETE FROM records WHERE result = new.key;
    DELETE FROM board WHERE result = new.key;
END;
-- Whatever an entry left for, the owner's next best takes its place; of an owner who is being deleted there is none.
CREATE TRIGGER board_falls_back AFTER DELETE ON board WHEN EXISTS (SELECT 1 FROM users WHERE key = old.owner) BEGIN
    INSERT INTO board (benchmark, measure, kind, cores, owner, value, result)
        SELECT old.benchmark, old.measure, old.kind, old.cores, old.owner,
               CASE old.measure WHEN 'score' THEN r.score ELSE r.percent END AS best, r.key
          FROM results r
         WHERE r.ranked = 1 AND r.benchmark = old.benchmark AND r.owner = old.owner
           AND (old.kind = '' OR r.kind = old.kind) AND (old.cores = 0 OR r.cores = old.cores)
           AND (old.measure = 'score' OR r.percent > 0)
         ORDER BY best DESC, r.key LIMIT 1;
END;
CREATE TRIGGER board_grows AFTER INSERT ON board BEGIN
    INSERT INTO categories (benchmark, measure, kind, cores, entries)
        VALUES (new.benchmark, new.measure, new.kind, new.cores, 1)
    ON CONFLICT DO UPDATE SET entries = entries + 1;
END;
CREATE TRIGGER board_shrinks AFTER DELETE ON board BEGIN
    UPDATE categories SET entries = entries - 1
     WHERE benchmark = old.benchmark AND measure = old.measure AND kind = old.kind AND cores = old.cores;
END;
