-- When a share was last used by those with whom it is, as its maker is told: noted at most once in ten minutes.
ALTER TABLE results.share ADD COLUMN last_used_at timestamptz;
