-- The checks are proved beside readers and writers, and let the columns become NOT NULL without another look.
ALTER TABLE results.upload_dicomresult VALIDATE CONSTRAINT upload_dicomresult_collection;
ALTER TABLE results.upload_dicomresult VALIDATE CONSTRAINT upload_dicomresult_state;
ALTER TABLE results.upload_dicomresult VALIDATE CONSTRAINT upload_dicomresult_failure;
ALTER TABLE results.change_feed VALIDATE CONSTRAINT change_feed_collection;
