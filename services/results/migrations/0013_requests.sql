-- Files are measured again on request. A request is written with the event that carries it, in one transaction; its
-- number orders what is told of the file, as that of a move does.
CREATE TABLE results.outbox (
    id                bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event             jsonb       NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    due_at            timestamptz NOT NULL DEFAULT now(),
    attempts          integer     NOT NULL DEFAULT 0,
    token             uuid,
    leased_until      timestamptz,
    published_at      timestamptz,
    dead_at           timestamptz,
    dead_subscription text,
    dead_reason       text,
    done              text[]      NOT NULL DEFAULT '{}'
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02
);

COMMENT ON COLUMN results.outbox.event IS 'The whole CloudEvent, its traceparent included.';
COMMENT ON COLUMN results.outbox.due_at IS 'Not to be dispatched before.';
COMMENT ON COLUMN results.outbox.attempts IS 'Dispatches begun; written before the work starts.';
COMMENT ON COLUMN results.outbox.token IS 'Who holds the lease; a result counts only while it still matches.';
COMMENT ON COLUMN results.outbox.done IS 'Queues whose handlers have finished with the event; empty with RabbitMQ.';

CREATE INDEX outbox_pending ON results.outbox (id) WHERE published_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_published ON results.outbox (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX outbox_dead ON results.outbox (id) WHERE dead_at IS NOT NULL;

ALTER TABLE results.upload_dicomresult ADD COLUMN request integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN results.upload_dicomresult.request IS
    'Number of the latest request to measure the file again; what failed for an earlier one is old news.';

-- Requests that no outcome has answered yet: one a file.
CREATE TABLE results.request (
    file_id      uuid        PRIMARY KEY,
    number       integer     NOT NULL,
    reason       text        NOT NULL CONSTRAINT request_reason CHECK (reason IN ('retry', 'reprocess')),
    priority     text        NOT NULL CONSTRAINT request_priority CHECK (priority IN ('urgent', 'normal', 'low')),
    requested_by bigint,
    requested_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX request_retried ON results.request (requested_at) WHERE reason = 'retry';
