-- Lists of studies: found by their words, devices and senders, sorted by arrival, date and patient. Old rows are
-- completed by `python -m services fill-results` (header_version 2), beside readers and writers; until then the release
-- before and this one write the same rows.
ALTER TABLE results.upload_dicomresult
    ADD COLUMN device  text,
    ADD COLUMN patient text COLLATE "C";

COMMENT ON COLUMN results.upload_dicomresult.device IS
    'As the header names it; device_name is what its measurement told.';
COMMENT ON COLUMN results.upload_dicomresult.patient IS
    'The patient''s name and id, folded (services/results/folding.py).';

ALTER TABLE results.study
    ADD COLUMN patient text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN devices text[]           NOT NULL DEFAULT '{}',
    ADD COLUMN owners  bigint[]         NOT NULL DEFAULT '{}',
    ADD COLUMN also    text             NOT NULL DEFAULT '';

COMMENT ON COLUMN results.study.patient IS 'The patient''s name and id, folded; what the list is sorted by.';
COMMENT ON COLUMN results.study.devices IS 'As its files name them; so many at most.';
COMMENT ON COLUMN results.study.owners IS 'Who has sent files of it; so many at most.';
COMMENT ON COLUMN results.study.also IS
    'Searched beside `search`, folded, a line each: the name of one file, then devices and descriptions of series.';

ALTER TABLE results.series ADD COLUMN device text;

-- Writers wait while each index is made; readers do not. `key, study, collection` is the order of every list: of one
-- collection, and of all for those who see all.
CREATE INDEX study_by_received ON results.study
    (collection, coalesce(first_received_at, '-infinity'::timestamptz), study_instance_uid);
CREATE INDEX study_by_received_all ON results.study
    (coalesce(first_received_at, '-infinity'::timestamptz), study_instance_uid, collection);
CREATE INDEX study_by_date ON results.study
    (collection, coalesce(study_date + coalesce(study_time, '00:00'::time), '-infinity'::timestamp),
    study_instance_uid);
CREATE INDEX study_by_date_all ON results.study
    (coalesce(study_date + coalesce(study_time, '00:00'::time), '-infinity'::timestamp), study_instance_uid,
    collection);
CREATE INDEX study_by_patient ON results.study (collection, patient, study_instance_uid);
CREATE INDEX study_by_patient_all ON results.study (patient, study_instance_uid, collection);
CREATE INDEX study_uid ON results.study (study_instance_uid text_pattern_ops, collection);
CREATE INDEX study_kinds ON results.study USING gin (modalities, owners);
DO $$
DECLARE
    home text;
BEGIN
    SELECT extnamespace::regnamespace::text INTO STRICT home FROM pg_extension WHERE extname = 'pg_trgm';
    EXECUTE format('CREATE INDEX study_words ON results.study '
        'USING gin ((coalesce(search, '''') || chr(10) || also) %s.gin_trgm_ops)', home);
END
$$;
DROP INDEX results.study_received, results.study_date, results.study_search;

-- Files of one sender, in the order of lists.
CREATE INDEX upload_dicomresult_sender ON results.upload_dicomresult (owner_id, collection, file_id DESC);

-- Rows that `fill-results` has work with: what this release writes never enters it.
CREATE INDEX upload_dicomresult_untold ON results.upload_dicomresult (file_id)
    WHERE counted IS DISTINCT FROM state OR (study_instance_uid IS NOT NULL AND filed IS DISTINCT FROM state)
        OR (raw_data IS NOT NULL AND header_version < 2);
DROP INDEX results.upload_dicomresult_unfilled;
