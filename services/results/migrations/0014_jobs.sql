-- Work on many files: which, how far it is, and what came of it. It is walked in the order of file ids.
CREATE TABLE results.job (
    id          uuid        PRIMARY KEY,
    kind        text        NOT NULL CONSTRAINT job_kind CHECK (kind IN ('reprocess')),
    state       text        NOT NULL DEFAULT 'running'
        CONSTRAINT job_state CHECK (state IN ('running', 'done', 'cancelled')),
    wanted      jsonb       NOT NULL,
    last_file   uuid        NOT NULL,
    counted_to  uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    counted     boolean     NOT NULL DEFAULT false,
    total       bigint      NOT NULL DEFAULT 0,
    walked_to   uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    walked      boolean     NOT NULL DEFAULT false,
    requested   bigint      NOT NULL DEFAULT 0,
    processed   bigint      NOT NULL DEFAULT 0,
    failed      bigint      NOT NULL DEFAULT 0,
    created_by  bigint,
    created_at  timestamptz NOT NULL DEFAULT now(),
    raised_at   timestamptz,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
COMMENT ON COLUMN results.job.wanted IS 'Which files: the filter, as the API took it.';
COMMENT ON COLUMN results.job.last_file IS 'The newest file when it was made; later ones are none of it.';
COMMENT ON COLUMN results.job.walked_to IS 'Up to which file it has asked; written with the requests, so it goes on there.';
COMMENT ON COLUMN results.job.raised_at IS 'It goes before jobs that were not raised, and before those raised earlier.';
-- What is under way: few rows, whatever else there was.
CREATE INDEX job_active ON results.job (id) WHERE state = 'running' OR requested > processed + failed;

ALTER TABLE results.request ADD COLUMN job_id uuid;
CREATE INDEX request_job_id ON results.request (job_id) WHERE job_id IS NOT NULL;
