-- Where this PostgreSQL cannot pack with lz4, values are kept as they are: its other way of packing took more time
-- than all the rest of storing a file, for a few KiB beside an object of hundreds. Old values stay as they are.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE results.upload_dicomresult ALTER COLUMN raw_data SET STORAGE EXTERNAL;
        ALTER TABLE results.upload_dicomresult ALTER COLUMN statistics SET STORAGE EXTERNAL;
    END IF;
END
$$;
