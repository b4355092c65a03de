-- Moves that the release before has undone; empty but for moments of an upgrade.
CREATE INDEX upload_dicomresult_undone ON results.upload_dicomresult (file_id) WHERE moved_to <> collection;

-- A file that was moved may be shared again by and with the same people: the first share speaks of where it lay.
DROP INDEX results.share_file_once;
CREATE UNIQUE INDEX share_file_once ON results.share (created_by, grantee, file_id, collection)
    WHERE kind = 'file' AND revoked_at IS NULL;
