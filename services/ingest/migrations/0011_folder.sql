-- The relative path that a file had with its sender. The release before this one says nothing of it.
ALTER TABLE ingest.upload_dicomfile ADD COLUMN folder text;

COMMENT ON COLUMN ingest.upload_dicomfile.folder IS 'Where it lay with its sender; null where nobody said.';
