-- One index for those who see one collection and for those who see all: the former walk it in the list's order, the
-- latter take what is rare from it, and meet what is frequent at the head of the list.
CREATE INDEX upload_dicomresult_modality ON results.upload_dicomresult (modality, collection, file_id DESC);

-- Rows that no search finds by their words yet; empty once they are filled.
CREATE INDEX upload_dicomresult_unsearched ON results.upload_dicomresult (collection, file_id DESC)
    WHERE search IS NULL;

-- What may be seen is asked by collection now.
DROP INDEX results.upload_dicomresult_owner, results.upload_dicomresult_owner_state, results.change_feed_owner;
