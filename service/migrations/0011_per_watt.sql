-- Why: leaderboards by the score over the mean power of the processors. Where a node measures their energy, that is a
-- third measure beside the score and the percent of peak, and all that knows of two measures has to know of it.

-- The score over the mean power; 0 where that is not known. A column that is added stands behind the long ones, but
-- whoever ranks reads it from an index, and only rows that have it are read as far.
ALTER TABLE results ADD COLUMN per_watt REAL NOT NULL DEFAULT 0;

-- Results from before have it by the same rules as new ones: they may be ranked, the look at their energy was green, and
-- at least half of the run was what the score is of.
UPDATE results
   SET per_watt = score * json_extract(evidence, '$.elapsed_s') / json_extract(evidence, '$.energy_j')
 WHERE rankable = 1 AND score > 0
   AND CASE WHEN json_valid(evidence) AND json_valid(findings) THEN
           json_extract(evidence, '$.energy_j') > 0
           AND seconds >= 0.5 * json_extract(evidence, '$.elapsed_s')
           AND EXISTS (SELECT 1 FROM json_each(findings) f
                        WHERE json_extract(f.value, '$.name') = 'energy' AND json_extract(f.value, '$.colour') = 'green')
       END;

-- The two indexes that leaderboards are made from have the third value, too: the next best of an owner, ...
DROP INDEX results_best;
CREATE INDEX results_best ON results (benchmark, owner, kind, cores, score, percent, per_watt) WHERE ranked = 1;
-- ... and the parts of a leaderboard that are computed when asked for.
DROP INDEX results_moment;
CREATE INDEX results_moment ON results (benchmark, owner, created_at, tier, kind, cores, score, percent, per_watt)
    WHERE ranked = 1;

-- A CHECK can only be changed with its table, and what speaks of the table has to be gone meanwhile.
DROP TRIGGER result_is_ranked;
DROP TRIGGER result_is_unranked;
CREATE TABLE board_of_three (
    benchmark TEXT    NOT NULL,
    measure   TEXT    NOT NULL CHECK (measure IN ('score', 'percent', 'per_watt')),
    kind      TEXT    NOT NULL,
    cores     INTEGER NOT NULL,
    owner     INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    value     REAL    NOT NULL,
    result    INTEGER NOT NULL REFERENCES results (key) ON DELETE CASCADE,
    PRIMARY KEY (benchmark, measure, kind, cores, owner)
) STRICT, WITHOUT ROWID;
INSERT INTO board_of_three (benchmark, measure, kind, cores, owner, value, result)
    SELECT benchmark, measure, kind, cores, owner, value, result FROM board;
DROP TABLE board;
ALTER TABLE board_of_three RENAME TO board;
-- A leaderboard in its order.
CREATE INDEX board_rank ON board (benchmark, measure, kind, cores, value DESC, result);
-- What leaves with a result, and with a user.
CREATE INDEX board_result ON board (result);
CREATE INDEX board_owner ON board (owner);

-- A new ranked result takes the place of its owner's entry wherever it is better. The score always counts, the others
-- where they are known.
CREATE TRIGGER result_is_ranked AFTER UPDATE OF ranked ON results WHEN new.ranked = 1 AND old.ranked = 0 BEGIN
    INSERT INTO records (benchmark, measure, kind, cores, result, value)
        SELECT new.benchmark, m.measure, k.kind, c.cores, new.key, m.value
          FROM (SELECT 'score' AS measure, new.score AS value UNION ALL SELECT 'percent', new.percent
                UNION ALL SELECT 'per_watt', new.per_watt) m,
               (SELECT '' AS kind UNION ALL SELECT new.kind WHERE new.kind <> '') k,
               (SELECT 0 AS cores UNION ALL SELECT new.cores WHERE new.cores <> 0) c
         WHERE (m.measure = 'score' OR m.value > 0)
           AND m.value > coalesce((SELECT b.value FROM board b
                                    WHERE b.benchmark = new.benchmark AND b.measure = m.measure
                                      AND b.kind = k.kind AND b.cores = c.cores
                                    ORDER BY b.value DESC LIMIT 1), -1.0)
    ON CONFLICT DO NOTHING;
    INSERT INTO board (benchmark, measure, kind, cores, owner, value, result)
        SELECT new.benchmark, m.measure, k.kind, c.cores, new.owner, m.value, new.key
          FROM (SELECT 'score' AS measure, new.score AS value UNION ALL SELECT 'percent', new.percent
                UNION ALL SELECT 'per_watt', new.per_watt) m,
               (SELECT '' AS kind UNION ALL SELECT new.kind WHERE new.kind <> '') k,
               (SELECT 0 AS cores UNION ALL SELECT new.cores WHERE new.cores <> 0) c
         WHERE m.measure = 'score' OR m.value > 0
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
               CASE old.measure WHEN 'score' THEN r.score WHEN 'percent' THEN r.percent ELSE r.per_watt END AS best, r.key
          FROM results r
         WHERE r.ranked = 1 AND r.benchmark = old.benchmark AND r.owner = old.owner
           AND (old.kind = '' OR r.kind = old.kind) AND (old.cores = 0 OR r.cores = old.cores)
           AND (old.measure = 'score' OR best > 0)
         ORDER BY best DESC, r.key LIMIT 1;
END;
-- How many entries each leaderboard has.
CREATE TRIGGER board_grows AFTER INSERT ON board BEGIN
    INSERT INTO categories (benchmark, measure, kind, cores, entries)
        VALUES (new.benchmark, new.measure, new.kind, new.cores, 1)
    ON CONFLICT DO UPDATE SET entries = entries + 1;
END;
CREATE TRIGGER board_shrinks AFTER DELETE ON board BEGIN
    UPDATE categories SET entries = entries - 1
     WHERE benchmark = old.benchmark AND measure = old.measure AND kind = old.kind AND cores = old.cores;
END;

-- The places of results from before: each is in up to four leaderboards, of its processor or all, of its cores or any.
CREATE TABLE places AS
    SELECT r.benchmark, iif(k.all_of_them, '', r.kind) AS kind, iif(c.all_of_them, 0, r.cores) AS cores, r.owner,
           r.per_watt AS value, r.key AS result
      FROM results r, (SELECT 0 AS all_of_them UNION ALL SELECT 1) k, (SELECT 0 AS all_of_them UNION ALL SELECT 1) c
     WHERE r.ranked = 1 AND r.per_watt > 0 AND (k.all_of_them OR r.kind <> '') AND (c.all_of_them OR r.cores <> 0);
-- Of each owner the best, the first of equals; the trigger counts them.
INSERT INTO board (benchmark, measure, kind, cores, owner, value, result)
    SELECT benchmark, 'per_watt', kind, cores, owner, value, result
      FROM (SELECT *, row_number() OVER (PARTITION BY benchmark, kind, cores, owner ORDER BY value DESC, result) AS place
              FROM places)
     WHERE place = 1;
-- Those that were better than all before them.
INSERT INTO records (benchmark, measure, kind, cores, result, value)
    SELECT benchmark, 'per_watt', kind, cores, result, value
      FROM (SELECT *, max(value) OVER (PARTITION BY benchmark, kind, cores ORDER BY result
                                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
              FROM places)
     WHERE before IS NULL OR value > before;
DROP TABLE places;
