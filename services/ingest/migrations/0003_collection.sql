-- Every file lies in one collection: a person's (user:7) or a group's (group:3). Nothing here reads the table, so
-- its exclusive lock is short; 0004 fills the rows that are there, 0005 builds indexes, 0006 makes it a must.
ALTER TABLE ingest.upload_dicomfile ADD COLUMN collection text;

COMMENT ON COLUMN ingest.upload_dicomfile.collection IS
    'Where the file lies: user:<id> or group:<id>. Identity and duplicates are told apart within it.';
COMMENT ON COLUMN ingest.upload_dicomfile.owner_id IS 'Who sent it.';

-- The release before this one knows no collections: what it inserts lies with its owner.
CREATE FUNCTION ingest.collection_of_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.collection := 'user:' || NEW.owner_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER upload_dicomfile_collection
    BEFORE INSERT OR UPDATE ON ingest.upload_dicomfile
    FOR EACH ROW WHEN (NEW.collection IS NULL)
    EXECUTE FUNCTION ingest.collection_of_owner();

ALTER TABLE ingest.upload_dicomfile
    DROP CONSTRAINT upload_dicomfile_state_check,
    ADD CONSTRAINT upload_dicomfile_state_check
        CHECK (state IN ('accepted', 'superseded', 'erased')) NOT VALID,
    ADD CONSTRAINT upload_dicomfile_collection_check
        CHECK (collection ~ '^(user|group):[1-9][0-9]{0,18}$') NOT VALID,
    ADD CONSTRAINT upload_dicomfile_collection_present CHECK (collection IS NOT NULL) NOT VALID;

COMMENT ON COLUMN ingest.upload_dicomfile.state IS
    'superseded: it could not be measured, and other bytes with its SOP Instance UID took its place.';
