-- A late copy of a failure that was cured must not make a file look failed again: other bytes could take its place.
ALTER TABLE ingest.upload_dicomfile ADD COLUMN cured_at timestamptz;

COMMENT ON COLUMN ingest.upload_dicomfile.cured_at IS
    'When the failure ended that sending the bytes again made good; what failed no later is old news.';
