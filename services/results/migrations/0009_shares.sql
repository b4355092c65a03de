-- Who else may see a file, a series or a study of a collection, or manage it: asked by whoever reads, told to nobody
-- who writes files. A share speaks of what lies in its collection; what leaves it is no longer shared.
CREATE TABLE results.share (
    id                  uuid        PRIMARY KEY,
    grantee             text        NOT NULL CONSTRAINT share_grantee CHECK (
        grantee ~ '^((user|group):[1-9][0-9]{0,18}|link:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$'),
    kind                text        NOT NULL CONSTRAINT share_kind CHECK (kind IN ('file', 'series', 'study')),
    collection          text        NOT NULL,
    file_id             uuid,
    study_instance_uid  text,
    series_instance_uid text,
    mode                text        NOT NULL CONSTRAINT share_mode CHECK (mode IN ('view', 'manage')),
    until               timestamptz,
    reason              text        CONSTRAINT share_reason CHECK (length(reason) <= 500),
    created_by          bigint      NOT NULL,
    given_under         uuid        REFERENCES results.share (id),
    created_at          timestamptz NOT NULL DEFAULT now(),
    revoked_at          timestamptz,
    -- A file's UIDs are told for the lists of its study; a series is one of a study, since its UID alone may be in two.
    CONSTRAINT share_item CHECK (CASE kind
        WHEN 'file' THEN file_id IS NOT NULL
        WHEN 'series' THEN file_id IS NULL AND study_instance_uid IS NOT NULL AND series_instance_uid IS NOT NULL
        ELSE file_id IS NULL AND study_instance_uid IS NOT NULL AND series_instance_uid IS NULL
    END)
);
COMMENT ON COLUMN results.share.grantee IS 'With whom: `user:9`, `group:3` or `link:<uuid>`.';
COMMENT ON COLUMN results.share.until IS 'Its end, exclusive; null: until it is taken back.';
COMMENT ON COLUMN results.share.given_under IS
    'The share with mode manage by which its maker could give it; null: by managing the collection. It ends with that.';

-- What somebody holds, by kind; files in the order of lists.
CREATE INDEX share_held ON results.share (grantee, kind, file_id DESC) WHERE revoked_at IS NULL;
-- With whom one thing is shared.
CREATE INDEX share_file ON results.share (file_id, grantee) WHERE kind = 'file' AND revoked_at IS NULL;
CREATE INDEX share_study ON results.share (study_instance_uid, collection, grantee, kind) WHERE revoked_at IS NULL;
-- Lists of shares: ids are UUIDv7.
CREATE INDEX share_with ON results.share (grantee, id DESC) WHERE revoked_at IS NULL;
CREATE INDEX share_by ON results.share (created_by, id DESC) WHERE revoked_at IS NULL;
CREATE INDEX share_under ON results.share (given_under) WHERE given_under IS NOT NULL;
CREATE INDEX share_until ON results.share (until) WHERE until IS NOT NULL AND revoked_at IS NULL;
-- The same share again changes the first.
CREATE UNIQUE INDEX share_file_once ON results.share (created_by, grantee, file_id)
    WHERE kind = 'file' AND revoked_at IS NULL;
CREATE UNIQUE INDEX share_whole_once
    ON results.share (created_by, grantee, collection, study_instance_uid, coalesce(series_instance_uid, ''))
    WHERE kind <> 'file' AND revoked_at IS NULL;
