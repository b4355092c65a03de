-- In process, what one subscription gives up costs the others nothing: a replay leaves out those that are done.
ALTER TABLE ingest.outbox ADD COLUMN done text[] NOT NULL DEFAULT '{}';

COMMENT ON COLUMN ingest.outbox.done IS 'Queues whose handlers have finished with the event; empty with RabbitMQ.';
