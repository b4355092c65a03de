-- Files of before lie with whoever sent them. Uploads go on meanwhile: only rows are locked.
UPDATE ingest.upload_dicomfile SET collection = 'user:' || owner_id WHERE collection IS NULL;

ALTER TABLE ingest.upload_dicomfile
    VALIDATE CONSTRAINT upload_dicomfile_state_check,
    VALIDATE CONSTRAINT upload_dicomfile_collection_check,
    VALIDATE CONSTRAINT upload_dicomfile_collection_present;
