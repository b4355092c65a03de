-- The relative path that a file had with its sender, by its sealed trailer as its name is. What the release before
-- this one writes has none.
ALTER TABLE results.upload_dicomresult ADD COLUMN folder text;

COMMENT ON COLUMN results.upload_dicomresult.folder IS 'Where it lay with its sender; null where nobody said.';
