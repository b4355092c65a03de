-- Building an index keeps writers out of the table, not readers. Where that takes too long (tens of millions of
-- rows), build these with CONCURRENTLY under the same names first.
CREATE UNIQUE INDEX IF NOT EXISTS upload_dicomfile_collection_sha256
    ON ingest.upload_dicomfile (collection, sha256) WHERE state NOT IN ('erased', 'superseded');
CREATE UNIQUE INDEX IF NOT EXISTS upload_dicomfile_collection_sop_instance_uid
    ON ingest.upload_dicomfile (collection, sop_instance_uid) WHERE state NOT IN ('erased', 'superseded');
CREATE INDEX IF NOT EXISTS upload_dicomfile_collection
    ON ingest.upload_dicomfile (collection, id DESC);
-- Few rows: what lists show only when asked.
CREATE INDEX IF NOT EXISTS upload_dicomfile_state
    ON ingest.upload_dicomfile (state, collection, id DESC) WHERE state <> 'accepted';
