-- What lists, studies and counters need, keyed by collection. Only what is done in a moment: old rows follow in
-- 0003, constraints and indexes in 0004, and what is read from their headers by `python -m services fill-results`.

-- Searches in the middle of a text. Trusted: the database's owner may make it.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

ALTER TABLE results.upload_dicomresult
    ADD COLUMN collection               text,
    ADD COLUMN patient_name             text,
    ADD COLUMN patient_id               text,
    ADD COLUMN patient_birth_date       date,
    ADD COLUMN patient_sex              text,
    ADD COLUMN study_date               date,
    ADD COLUMN study_time               time,
    ADD COLUMN accession_number         text,
    ADD COLUMN study_id                 text,
    ADD COLUMN study_description        text,
    ADD COLUMN referring_physician_name text,
    ADD COLUMN series_description       text,
    ADD COLUMN series_number            bigint,
    ADD COLUMN body_part_examined       text,
    ADD COLUMN instance_number          bigint,
    ADD COLUMN image_position           double precision[],
    ADD COLUMN image_orientation        double precision[],
    ADD COLUMN search                   text,
    ADD COLUMN header_version           smallint NOT NULL DEFAULT 0,
    ADD COLUMN counted                  text,
    ADD COLUMN filed                    text,
    DROP CONSTRAINT upload_dicomresult_state_check,
    DROP CONSTRAINT upload_dicomresult_check,
    ADD CONSTRAINT upload_dicomresult_state
        CHECK (state IN ('received', 'processed', 'failed', 'superseded', 'erased')) NOT VALID,
    -- A superseded file keeps the reason why it failed.
    ADD CONSTRAINT upload_dicomresult_failure
        CHECK (state = 'superseded' OR (state = 'failed') = (failure_reason IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT upload_dicomresult_collection CHECK (collection IS NOT NULL) NOT VALID;

COMMENT ON COLUMN results.upload_dicomresult.collection IS 'Where the file lies: `user:7` or `group:3`.';
COMMENT ON COLUMN results.upload_dicomresult.search IS
    'Names, ids, descriptions, devices and the file name, folded (services/results/folding.py).';
COMMENT ON COLUMN results.upload_dicomresult.header_version IS
    'By which version of services/results/write/header.py the header''s columns were made; 0: not at all.';
COMMENT ON COLUMN results.upload_dicomresult.counted IS 'State under which results.counter counts this row.';
COMMENT ON COLUMN results.upload_dicomresult.filed IS
    'State under which results.study and results.series count this row; null: not yet, or it names no study.';

ALTER TABLE results.change_feed
    ADD COLUMN collection          text,
    ADD COLUMN study_instance_uid  text,
    ADD COLUMN series_instance_uid text,
    ADD CONSTRAINT change_feed_collection CHECK (collection IS NOT NULL) NOT VALID;

-- The release before knows no collections: what it writes lies with whoever sent it.
CREATE FUNCTION results.collection_of_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.collection := 'user:' || NEW.owner_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER collection_of_owner BEFORE INSERT ON results.upload_dicomresult
    FOR EACH ROW WHEN (NEW.collection IS NULL) EXECUTE FUNCTION results.collection_of_owner();
CREATE TRIGGER collection_of_owner BEFORE INSERT ON results.change_feed
    FOR EACH ROW WHEN (NEW.collection IS NULL) EXECUTE FUNCTION results.collection_of_owner();

-- What each analyzer made of each file. The built-in one, `pixels`, also fills upload_dicomresult.
CREATE TABLE results.analysis (
    file_id     uuid        NOT NULL,
    analyzer    text        NOT NULL,
    version     integer,
    state       text        NOT NULL CHECK (state IN ('processed', 'failed')),
    precedence  integer     NOT NULL,
    reason      text,
    facts       jsonb,
    attempt     integer,
    worker      text,
    started_at  timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (file_id, analyzer),
    CHECK ((state = 'failed') = (reason IS NOT NULL))
);
COMMENT ON COLUMN results.analysis.precedence IS
    'Rank of this outcome among those of this analyzer (services/results/write/outcomes.py).';
COMMENT ON COLUMN results.analysis.facts IS 'What it found; null for `pixels`, whose facts are columns.';

-- Studies and series of a collection. Rows are locked in the order of their keys, series before studies before
-- counters. Every file changes its study: room in the page lets that touch no index.
CREATE TABLE results.study (
    collection               text        NOT NULL,
    study_instance_uid       text        NOT NULL,
    patient_name             text,
    patient_id               text,
    patient_birth_date       date,
    patient_sex              text,
    study_date               date,
    study_time               time,
    accession_number         text,
    study_id                 text,
    study_description        text,
    referring_physician_name text,
    search                   text,
    modalities               text[]      NOT NULL DEFAULT '{}',
    series                   integer     NOT NULL DEFAULT 0,
    instances                integer     GENERATED ALWAYS AS (files_received + files_processed + files_failed) STORED,
    files_received           integer     NOT NULL DEFAULT 0,
    files_processed          integer     NOT NULL DEFAULT 0,
    files_failed             integer     NOT NULL DEFAULT 0,
    files_superseded         integer     NOT NULL DEFAULT 0,
    first_received_at        timestamptz,
    last_received_at         timestamptz,
    cover_file_id            uuid,
    PRIMARY KEY (collection, study_instance_uid)
) WITH (fillfactor = 70);
COMMENT ON COLUMN results.study.series IS 'Series that were ever seen in it.';
COMMENT ON COLUMN results.study.instances IS 'Files that stand: neither superseded nor erased.';
COMMENT ON COLUMN results.study.cover_file_id IS 'A processed file with a thumbnail.';
CREATE INDEX study_received ON results.study (collection, first_received_at DESC, study_instance_uid);
CREATE INDEX study_date ON results.study (collection, study_date DESC, study_instance_uid);
CREATE INDEX study_patient_id ON results.study (collection, patient_id);

CREATE TABLE results.series (
    collection          text        NOT NULL,
    study_instance_uid  text        NOT NULL,
    series_instance_uid text        NOT NULL,
    modality            text,
    series_number       bigint,
    series_description  text,
    body_part_examined  text,
    instances           integer     GENERATED ALWAYS AS (files_received + files_processed + files_failed) STORED,
    files_received      integer     NOT NULL DEFAULT 0,
    files_processed     integer     NOT NULL DEFAULT 0,
    files_failed        integer     NOT NULL DEFAULT 0,
    files_superseded    integer     NOT NULL DEFAULT 0,
    first_received_at   timestamptz,
    last_received_at    timestamptz,
    cover_file_id       uuid,
    PRIMARY KEY (collection, study_instance_uid, series_instance_uid)
) WITH (fillfactor = 70);

CREATE TABLE results.counter (
    collection text   NOT NULL,
    state      text   NOT NULL,
    files      bigint NOT NULL,
    PRIMARY KEY (collection, state)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
