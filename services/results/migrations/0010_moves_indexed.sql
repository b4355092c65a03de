-- Moves that the release before has undone; empty but for moments of an upgrade.
CREATE INDEX upload_dicomresult_undone ON results.upload_dicomresult (file_id) WHERE moved_to <> collection;
