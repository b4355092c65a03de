-- Short again: the checked constraint spares SET NOT NULL its look at every row.
ALTER TABLE ingest.upload_dicomfile ALTER COLUMN collection SET NOT NULL;
ALTER TABLE ingest.upload_dicomfile DROP CONSTRAINT upload_dicomfile_collection_present;

-- Identity is the collection's now. The release before lists by owner, which the primary key serves well enough.
DROP INDEX ingest.upload_dicomfile_owner_sha256;
DROP INDEX ingest.upload_dicomfile_owner_sop_instance_uid;
DROP INDEX ingest.upload_dicomfile_owner_id;
