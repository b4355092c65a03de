-- The read model: what became of every accepted file. `state` here is the truth.
CREATE TABLE results.upload_dicomresult (
    id                           bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id                      uuid             NOT NULL CONSTRAINT upload_dicomresult_file_id UNIQUE,
    owner_id                     bigint           NOT NULL,
    state                        text             NOT NULL
        CHECK (state IN ('received', 'processed', 'failed', 'erased')),
    precedence                   integer          NOT NULL,
    changed_at                   timestamptz      NOT NULL DEFAULT now(),
    trace_id                     text,

    file_name                    text,
    raw_data                     jsonb,
    warnings                     jsonb,
    size_bytes                   bigint,
    sha256                       text,
    sop_class_uid                text,
    sop_instance_uid             text,
    series_instance_uid          text,
    study_instance_uid           text,
    modality                     text,
    transfer_syntax_uid          text,
    rows                         integer,
    columns                      integer,
    frames                       integer,
    received_at                  timestamptz,

    device_name                  text,
    average_before_normalization double precision,
    average_after_normalization  double precision,
    data_size                    bigint,
    statistics                   jsonb,
    thumbnail_key                text,
    failure_reason               text,
    failure_detail               text,
    method_version               integer,
    attempts                     integer,
    processed_at                 timestamptz,

    CHECK ((state = 'failed') = (failure_reason IS NOT NULL))
);

COMMENT ON COLUMN results.upload_dicomresult.precedence IS
    'Rank of the outcome held: a new one replaces it only if it ranks higher (services/results/outcomes.py).';
COMMENT ON COLUMN results.upload_dicomresult.raw_data IS
    'The dataset in the DICOM JSON Model, bulk values as BulkDataURI; null until `received` was handled.';
COMMENT ON COLUMN results.upload_dicomresult.received_at IS
    'When the file was accepted; null while only its outcome is known.';
COMMENT ON COLUMN results.upload_dicomresult.data_size IS 'Bytes of decoded pixel data.';
COMMENT ON COLUMN results.upload_dicomresult.size_bytes IS 'Bytes of the uploaded file.';

-- Lists walk file_id, which is a UUIDv7 and so orders by time of upload.
CREATE INDEX upload_dicomresult_owner ON results.upload_dicomresult (owner_id, file_id DESC);
CREATE INDEX upload_dicomresult_owner_state ON results.upload_dicomresult (owner_id, state, file_id DESC);
CREATE INDEX upload_dicomresult_state ON results.upload_dicomresult (state, file_id DESC);
CREATE INDEX upload_dicomresult_received_at ON results.upload_dicomresult (received_at);

-- Nobody filters by what is inside, and ANALYZE would unpack every value that it samples.
ALTER TABLE results.upload_dicomresult ALTER COLUMN raw_data SET STATISTICS 0;
ALTER TABLE results.upload_dicomresult ALTER COLUMN statistics SET STATISTICS 0;

-- lz4 packs and unpacks several times faster than the default; not every build of PostgreSQL has it.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE results.upload_dicomresult ALTER COLUMN raw_data SET COMPRESSION lz4;
        ALTER TABLE results.upload_dicomresult ALTER COLUMN statistics SET COMPRESSION lz4;
    END IF;
END
$$;

-- Every attempt that anybody reported, whether or not it changed the result.
CREATE TABLE results.processing_log (
    event_id    uuid        PRIMARY KEY,
    file_id     uuid        NOT NULL,
    event       text        NOT NULL,
    attempt     integer,
    worker      text,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    outcome     text        NOT NULL CHECK (outcome IN ('received', 'processed', 'failed')),
    reason      text,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX processing_log_file_id ON results.processing_log (file_id);

-- One row per change of a result. A reader takes rows of transactions older than every running one
-- (xid < pg_snapshot_xmin) and remembers (xid, seq): a plain serial would lose rows that commit late.
CREATE TABLE results.change_feed (
    xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    seq        bigint      GENERATED ALWAYS AS IDENTITY,
    file_id    uuid        NOT NULL,
    owner_id   bigint      NOT NULL,
    state      text        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (xid, seq)
);
CREATE INDEX change_feed_owner ON results.change_feed (owner_id, xid, seq);

-- The newest position that pruning took away: a cursor below it may have missed changes.
CREATE TABLE results.change_feed_floor (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    xid       xid8    NOT NULL,
    seq       bigint  NOT NULL
);
INSERT INTO results.change_feed_floor (xid, seq) VALUES ('0', 0);
