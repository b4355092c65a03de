-- Files move between collections. The number orders the events that tell of it, whichever comes first.
ALTER TABLE ingest.upload_dicomfile ADD COLUMN moves integer NOT NULL DEFAULT 0;

COMMENT ON COLUMN ingest.upload_dicomfile.moves IS
    'How often it was moved into another collection; the latest move says where it lies.';
