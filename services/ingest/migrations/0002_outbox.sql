-- Events that are accepted but not yet with the bus. Written with the row they speak of, in one transaction.
CREATE TABLE ingest.outbox (
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
    dead_reason       text
) WITH (
    -- Every row is leased and soon marked: room in its page lets the lease touch no index.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02
);

COMMENT ON COLUMN ingest.outbox.event IS 'The whole CloudEvent, its traceparent included.';
COMMENT ON COLUMN ingest.outbox.due_at IS 'Not to be dispatched before.';
COMMENT ON COLUMN ingest.outbox.attempts IS 'Dispatches begun; written before the work starts.';
COMMENT ON COLUMN ingest.outbox.token IS 'Who holds the lease; a result counts only while it still matches.';

CREATE INDEX outbox_pending ON ingest.outbox (id) WHERE published_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_published ON ingest.outbox (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX outbox_dead ON ingest.outbox (id) WHERE dead_at IS NOT NULL;
