-- Lists of files: found by parts of their names, and by who sent them. Writers wait while an index is made, readers do
-- not. Where that takes too long, build these with CONCURRENTLY under the same names first.

-- Searches in the middle of a text. Trusted: the database's owner may make it.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

DO $$
DECLARE
    home text;
BEGIN
    SELECT extnamespace::regnamespace::text INTO STRICT home FROM pg_extension WHERE extname = 'pg_trgm';
    EXECUTE format('CREATE INDEX IF NOT EXISTS upload_dicomfile_name ON ingest.upload_dicomfile '
        'USING gin (lower(file_name) %s.gin_trgm_ops)', home);
END
$$;
CREATE INDEX IF NOT EXISTS upload_dicomfile_sender ON ingest.upload_dicomfile (owner_id, collection, id DESC);
-- Most files lie with who sent them: without this, the planner looks for somebody's among those of somebody else.
CREATE STATISTICS IF NOT EXISTS ingest.upload_dicomfile_sender_place (mcv)
    ON owner_id, collection FROM ingest.upload_dicomfile;
