-- Why: runs are compared by groups: all of the same parameters on the same kind of node, the latest first, some of them
-- private. results_spec cannot tell kinds apart and holds the public ones alone.

-- All runs of a group, in the order in which they came, with all that says whether somebody may see them.
CREATE INDEX results_group ON results (spec_hash, kind, cores, key, tier, public, owner) WHERE accepted = 1;
