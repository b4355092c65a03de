-- It shuts everybody out, if only for a moment.
ALTER TABLE results.upload_dicomresult ALTER COLUMN collection SET NOT NULL;
ALTER TABLE results.upload_dicomresult DROP CONSTRAINT upload_dicomresult_collection;
ALTER TABLE results.change_feed ALTER COLUMN collection SET NOT NULL;
ALTER TABLE results.change_feed DROP CONSTRAINT change_feed_collection;
