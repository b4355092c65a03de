-- Results has failed files measured again. The number says which of two things told of a file is the later one.
ALTER TABLE ingest.upload_dicomfile ADD COLUMN request integer NOT NULL DEFAULT 0;

COMMENT ON COLUMN ingest.upload_dicomfile.request IS
    'Number of the latest request to measure the failed file again; what failed for an earlier one is old news.';
