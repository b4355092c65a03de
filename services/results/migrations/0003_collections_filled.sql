-- Every row gets its collection and is counted. Writers wait meanwhile (events keep in their queue), so that
-- nobody waits in a circle; readers do not.
LOCK TABLE results.upload_dicomresult, results.change_feed IN SHARE ROW EXCLUSIVE MODE;

WITH counted AS (
    UPDATE results.upload_dicomresult SET collection = 'user:' || owner_id, counted = state
    WHERE counted IS NULL
    RETURNING collection, state
)
INSERT INTO results.counter AS held (collection, state, files)
SELECT collection, state, count(*) FROM counted GROUP BY collection, state;

UPDATE results.change_feed SET collection = 'user:' || owner_id WHERE collection IS NULL;
