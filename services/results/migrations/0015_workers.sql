-- Who works, by their own word: the last beat of each. Those that are silent for long go (services/results/workers).
CREATE TABLE results.worker (
    worker            text             PRIMARY KEY,
    version           text             NOT NULL,
    state             text             NOT NULL CHECK (state IN ('working', 'draining', 'stopped')),
    started_at        timestamptz      NOT NULL,
    told_at           timestamptz      NOT NULL,
    heard_at          timestamptz      NOT NULL DEFAULT now(),
    seconds           double precision NOT NULL,
    slots             integer          NOT NULL,
    busy              integer          NOT NULL,
    under_way         integer          NOT NULL,
    files             jsonb            NOT NULL,
    budget_bytes      bigint,
    budget_used_bytes bigint
);
COMMENT ON COLUMN results.worker.told_at IS 'When it sent its last beat, by its own clock: the later of two is right.';
COMMENT ON COLUMN results.worker.heard_at IS 'When that beat was stored, by the clock of the database.';
COMMENT ON COLUMN results.worker.seconds IS 'Within which it promised the next beat.';
COMMENT ON COLUMN results.worker.under_way IS 'Files that it has begun; `files` names the oldest of them.';
