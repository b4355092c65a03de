-- Lanes whose files begin nowhere for now, by word of an operator. Each change counts: of two things that are told to
-- processors, the one with the higher number is right.
CREATE TABLE results.lane_pause (
    lane      text        PRIMARY KEY,
    paused_by bigint      NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE results.lane_pause IS 'Lanes that are paused; what waits there stays where it is.';

CREATE TABLE results.lane_pause_revision (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision bigint  NOT NULL DEFAULT 0
);
INSERT INTO results.lane_pause_revision DEFAULT VALUES;
