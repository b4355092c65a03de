-- One row per accepted file: intake only. What became of it is the truth of results.upload_dicomresult.
CREATE TABLE ingest.upload_dicomfile (
    id                  uuid        PRIMARY KEY,
    file                text        NOT NULL,
    file_name           text        NOT NULL,
    uploaded_at         timestamptz NOT NULL DEFAULT now(),
    owner_id            bigint      NOT NULL,
    size_bytes          bigint      NOT NULL CHECK (size_bytes > 0),
    sha256              text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    state               text        NOT NULL DEFAULT 'accepted' CHECK (state IN ('accepted', 'erased')),
    sop_class_uid       text        NOT NULL,
    sop_instance_uid    text        NOT NULL,
    series_instance_uid text,
    study_instance_uid  text,
    modality            text,
    transfer_syntax_uid text        NOT NULL,
    rows                integer,
    columns             integer,
    frames              integer,
    decoded_bytes       bigint,
    failed_at           timestamptz
);

COMMENT ON COLUMN ingest.upload_dicomfile.file IS 'Key of the encrypted object.';
COMMENT ON COLUMN ingest.upload_dicomfile.failed_at IS
    'Processing failed and nobody sent the bytes again since; sending them again queues the file again.';

CREATE UNIQUE INDEX upload_dicomfile_owner_sha256
    ON ingest.upload_dicomfile (owner_id, sha256) WHERE state <> 'erased';
CREATE UNIQUE INDEX upload_dicomfile_owner_sop_instance_uid
    ON ingest.upload_dicomfile (owner_id, sop_instance_uid) WHERE state <> 'erased';
CREATE INDEX upload_dicomfile_owner_id ON ingest.upload_dicomfile (owner_id, id DESC);
