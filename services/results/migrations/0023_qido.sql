-- What QIDO-RS compares: names of people folded, every component group of them, and what series were requested as.
-- Old rows are completed by `python -m services fill-results` (header_version 3), beside readers and writers; until
-- then the release before and this one write the same rows.
ALTER TABLE results.upload_dicomresult
    ADD COLUMN patient_names           text,
    ADD COLUMN physician_names         text,
    ADD COLUMN procedure_step_date     date,
    ADD COLUMN procedure_step_time     time,
    ADD COLUMN scheduled_step_ids      text,
    ADD COLUMN requested_procedure_ids text;
ALTER TABLE results.study
    ADD COLUMN patient_names   text,
    ADD COLUMN physician_names text;
ALTER TABLE results.series
    ADD COLUMN procedure_step_date     date,
    ADD COLUMN procedure_step_time     time,
    ADD COLUMN scheduled_step_ids      text,
    ADD COLUMN requested_procedure_ids text;
COMMENT ON COLUMN results.study.patient_names IS
    'Component groups of the patient''s name, folded (services/results/folding.py), each between two line breaks.';
COMMENT ON COLUMN results.study.physician_names IS 'The same of the referring physician.';
COMMENT ON COLUMN results.series.procedure_step_date IS 'When the performed procedure step began.';
COMMENT ON COLUMN results.series.scheduled_step_ids IS
    'Of the items of Request Attributes Sequence, each between two line breaks.';
-- Writers wait while each index is made; readers do not. The collection comes last: those who see all look as well.
CREATE INDEX study_by_patient_id ON results.study (patient_id text_pattern_ops, collection);
CREATE INDEX study_by_accession ON results.study (accession_number text_pattern_ops, collection);
CREATE INDEX study_by_birth_date ON results.study (patient_birth_date, collection);
CREATE INDEX series_by_uid ON results.series (series_instance_uid text_pattern_ops, collection);
CREATE INDEX series_by_modality ON results.series (modality text_pattern_ops, collection);
CREATE INDEX series_by_step_date ON results.series (procedure_step_date, collection);
DO $$
DECLARE
    home text;
BEGIN
    SELECT extnamespace::regnamespace::text INTO STRICT home FROM pg_extension WHERE extname = 'pg_trgm';
    EXECUTE format('CREATE INDEX study_texts ON results.study USING gin (patient_names %1$s.gin_trgm_ops, '
        'physician_names %1$s.gin_trgm_ops, patient_id %1$s.gin_trgm_ops, accession_number %1$s.gin_trgm_ops, '
        'study_id %1$s.gin_trgm_ops, study_description %1$s.gin_trgm_ops)', home);
    EXECUTE format('CREATE INDEX series_texts ON results.series USING gin (series_description %1$s.gin_trgm_ops, '
        'scheduled_step_ids %1$s.gin_trgm_ops, requested_procedure_ids %1$s.gin_trgm_ops)', home);
END
$$;
-- Rows that `fill-results` has work with: what this release writes never enters it.
CREATE INDEX upload_dicomresult_unqueried ON results.upload_dicomresult (file_id)
    WHERE counted IS DISTINCT FROM state OR (study_instance_uid IS NOT NULL AND filed IS DISTINCT FROM state)
        OR (raw_data IS NOT NULL AND header_version < 3);
DROP INDEX results.upload_dicomresult_untold;
