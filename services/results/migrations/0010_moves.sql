-- Where a file was moved to stands, whatever comes late: the move with the highest number wins.
ALTER TABLE results.upload_dicomresult
    ADD COLUMN moves    integer NOT NULL DEFAULT 0,
    ADD COLUMN moved_to text;

COMMENT ON COLUMN results.upload_dicomresult.moves IS 'Number of the latest move that is known; 0: never moved.';
COMMENT ON COLUMN results.upload_dicomresult.moved_to IS
    'Its target. Differs from `collection` only where the release before, which knows no moves, wrote since.';

-- The release before shows such a change as `erased`: to readers of the collection it left, the file is gone.
ALTER TABLE results.change_feed ADD COLUMN moved boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN results.change_feed.moved IS 'The file has left this collection for another.';
