-- Which history of the database the positions of the change feed belong to. After a failover or a restore the same
-- numbers are given to other changes: a reader who goes on from before would miss them, and is told so by this number,
-- which its cursor holds. It is drawn by whoever reads first on a server or a WAL timeline that is not noted here.
CREATE TABLE results.change_feed_timeline (
    singleton boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    history   text        NOT NULL,
    number    bigint      NOT NULL CHECK (number > 0),
    since     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN results.change_feed_timeline.history IS 'System identifier and WAL timeline that the number is of';
