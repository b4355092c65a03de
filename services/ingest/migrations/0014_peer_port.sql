-- Where a peer takes reports of storage commitment on an association of its own.
ALTER TABLE ingest.peer ADD COLUMN port integer CHECK (port BETWEEN 1 AND 65535);
COMMENT ON COLUMN ingest.peer.port IS
    'Of the peer, where storage commitment is reported to; null: on the association that asked for it.';
