-- Months that were dropped, each with a signed statement of where the chain goes on: without one, entries that
-- are not there are missing.
CREATE TABLE auth.audit_retired (
    month      date        PRIMARY KEY,
    last_batch bigint      NOT NULL,
    last_seq   bigint      NOT NULL,
    root       bytea       NOT NULL,
    retired_at timestamptz NOT NULL,
    key_id     text        NOT NULL,
    signature  bytea       NOT NULL
);
COMMENT ON TABLE auth.audit_retired IS 'Months of the audit log that were dropped, signed (services/auth/audit/chain.py).';

-- How far those who collect the log elsewhere have been told, by kind.
CREATE TABLE auth.audit_sink (
    sink         text        PRIMARY KEY,
    seq          bigint      NOT NULL DEFAULT 0,
    holder       uuid        NOT NULL,
    leased_until timestamptz NOT NULL
);
COMMENT ON TABLE auth.audit_sink IS 'The last entry that each sink (file, webhook) has taken.';

-- Roots stay, but those of a retired month before its last.
CREATE FUNCTION auth.refuse_loss_of_roots() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM auth.audit_retired WHERE OLD.batch < last_batch) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_batch_kept BEFORE DELETE ON auth.audit_batch
    FOR EACH ROW EXECUTE FUNCTION auth.refuse_loss_of_roots();
CREATE TRIGGER audit_retired_append_only BEFORE UPDATE OR DELETE ON auth.audit_retired
    FOR EACH ROW EXECUTE FUNCTION auth.refuse_change();
CREATE TRIGGER audit_retired_not_truncated BEFORE TRUNCATE ON auth.audit_retired
    FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change();

-- Drop a month, the oldest, that ended at least a year ago: no service can lose what is younger. Whoever calls
-- hands over the signed statement, which is kept in its place; the month's last root stays as well.
CREATE FUNCTION auth.retire_audit_month(
    month date, last_batch bigint, last_seq bigint, root bytea, retired_at timestamptz, key_id text,
    signature bytea
) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first date        := date_trunc('month', month)::date;
    begun timestamptz := first::timestamp AT TIME ZONE 'UTC';
    ended timestamptz := (first + interval '1 month') AT TIME ZONE 'UTC';
    name  text        := 'audit_log_' || to_char(first, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('auth.audit_log'));
    IF ended > now() - interval '12 months' THEN
        RAISE EXCEPTION '% is not a year old', first USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF name IS DISTINCT FROM (
        SELECT min(kept.relname::text) FROM pg_inherits JOIN pg_class AS kept ON kept.oid = inhrelid
        WHERE inhparent = 'auth.audit_log'::regclass
    ) THEN
        RAISE EXCEPTION '% is not the oldest month', first USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (last_batch, last_seq, root) IS DISTINCT FROM (
        SELECT (b.batch, b.last_seq, b.root) FROM auth.audit_batch AS b
        WHERE b.sealed_at < ended ORDER BY b.batch DESC LIMIT 1
    ) THEN
        RAISE EXCEPTION 'that is not where % ends', first USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO auth.audit_retired
    VALUES (first, last_batch, last_seq, root, retired_at, key_id, signature);
    DELETE FROM auth.audit_batch AS b
    WHERE b.sealed_at >= begun AND b.sealed_at < ended AND b.batch < retire_audit_month.last_batch;
    EXECUTE format('DROP TABLE auth.%I', name);
END
$$;
REVOKE ALL ON FUNCTION auth.retire_audit_month(date, bigint, bigint, bytea, timestamptz, text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.retire_audit_month(date, bigint, bigint, bytea, timestamptz, text, bytea) TO auth;

CREATE INDEX audit_batch_sealed_at ON auth.audit_batch (sealed_at);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON auth.audit_retired FROM auth;
REVOKE TRUNCATE ON auth.audit_sink FROM auth;
