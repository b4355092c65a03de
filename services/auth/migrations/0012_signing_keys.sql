-- Several signing keys: a new one is published for a while before it signs, and served on for a while after the
-- next one does. All of it by the database's clock, so that replicas agree. Still one key has no end yet.
ALTER TABLE auth.signing_key
    ADD COLUMN signs_from timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN revoked_at timestamptz;
UPDATE auth.signing_key SET signs_from = created_at;
COMMENT ON COLUMN auth.signing_key.signs_from IS 'From then on it signs, until a newer one does.';
COMMENT ON COLUMN auth.signing_key.retired_at IS 'Until then it is published; null: as long as no other key takes its place.';
COMMENT ON COLUMN auth.signing_key.revoked_at IS 'Since then every token that it signed is refused.';
GRANT SELECT (signs_from, revoked_at) ON auth.signing_key TO operator;
