-- Writers wait while each index is made; readers do not.
CREATE INDEX upload_dicomresult_collection ON results.upload_dicomresult (collection, file_id DESC);
CREATE INDEX upload_dicomresult_collection_state
    ON results.upload_dicomresult (collection, state, file_id DESC);
-- Pattern operators serve both equality and searches for the beginning, whatever the database's collation. The
-- UID comes first for those who see every collection; in one collection its files come in the list's order.
CREATE INDEX upload_dicomresult_study
    ON results.upload_dicomresult (study_instance_uid text_pattern_ops, collection, file_id DESC);
CREATE INDEX upload_dicomresult_series
    ON results.upload_dicomresult (series_instance_uid text_pattern_ops, collection, file_id DESC);
CREATE INDEX upload_dicomresult_sop_instance
    ON results.upload_dicomresult (sop_instance_uid text_pattern_ops, collection);
CREATE INDEX change_feed_collection ON results.change_feed (collection, xid, seq);

-- Rows that `fill-results` has work with: what this release writes never enters these.
CREATE INDEX upload_dicomresult_uncounted ON results.upload_dicomresult (file_id)
    WHERE counted IS DISTINCT FROM state;
CREATE INDEX upload_dicomresult_unfilled ON results.upload_dicomresult (file_id)
    WHERE counted IS DISTINCT FROM state OR (study_instance_uid IS NOT NULL AND filed IS DISTINCT FROM state)
        OR (raw_data IS NOT NULL AND header_version < 1);

-- Somebody may have made the extension before, in a schema of their choice.
DO $$
DECLARE
    home text;
BEGIN
    SELECT extnamespace::regnamespace::text INTO STRICT home FROM pg_extension WHERE extname = 'pg_trgm';
    EXECUTE format('CREATE INDEX upload_dicomresult_search ON results.upload_dicomresult '
        'USING gin (search %s.gin_trgm_ops)', home);
    EXECUTE format('CREATE INDEX upload_dicomresult_device ON results.upload_dicomresult '
        'USING gin (lower(device_name) %s.gin_trgm_ops)', home);
    EXECUTE format('CREATE INDEX study_search ON results.study USING gin (search %s.gin_trgm_ops)', home);
END
$$;
