-- The record of all activities. Services write into `audit_pending` in the transactions of their acts; one
-- sealer takes from there, in the order in which entries became visible, into the log.
CREATE TABLE auth.audit_pending (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry    jsonb       NOT NULL CHECK (octet_length(entry::text) <= 131072),
    noted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE auth.audit_pending IS 'Acts that are noted and not yet chained; ids, never patient data.';

CREATE TABLE auth.audit_log (
    seq                bigint      NOT NULL,
    sealed_at          timestamptz NOT NULL,
    link               bytea       NOT NULL CHECK (octet_length(link) = 32),
    at                 timestamptz NOT NULL,
    service            text        NOT NULL,
    action             text        NOT NULL,
    ending             text        NOT NULL,
    actor              text        NOT NULL,
    acting_as          text,
    object_type        text,
    objects            text[]      NOT NULL DEFAULT '{}',
    collection         text,
    studies            text[]      NOT NULL DEFAULT '{}',
    address            text,
    route              text,
    status             integer,
    trace_id           text,
    details            jsonb       NOT NULL DEFAULT '{}',
    PRIMARY KEY (seq, sealed_at)
) PARTITION BY RANGE (sealed_at);
COMMENT ON COLUMN auth.audit_log.link IS 'SHA-256 over the hash of the entry before and this one (services/auth/audit/chain.py).';
-- Lists are in the order of (at, seq): an index walked backwards ends at the page's last entry.
CREATE INDEX audit_log_at ON auth.audit_log (at, seq);
CREATE INDEX audit_log_actor ON auth.audit_log (actor, at, seq);
CREATE INDEX audit_log_action ON auth.audit_log (action, at, seq);
CREATE INDEX audit_log_refused ON auth.audit_log (ending, at, seq) WHERE ending <> 'success';
CREATE INDEX audit_log_refused_actor ON auth.audit_log (actor, ending, at, seq) WHERE ending <> 'success';
-- Without a list of pending entries: whoever seals pays at once, and nobody who reads pays for it.
CREATE INDEX audit_log_studies ON auth.audit_log USING gin (studies) WITH (fastupdate = off);
CREATE INDEX audit_log_objects ON auth.audit_log USING gin (objects) WITH (fastupdate = off);

CREATE TABLE auth.audit_batch (
    batch     bigint      PRIMARY KEY,
    first_seq bigint      NOT NULL,
    last_seq  bigint      NOT NULL CHECK (last_seq >= first_seq),
    previous  bytea       NOT NULL,
    root      bytea       NOT NULL,
    sealed_at timestamptz NOT NULL,
    key_id    text        NOT NULL,
    signature bytea       NOT NULL
);
COMMENT ON TABLE auth.audit_batch IS 'The signed end of each batch; those of retired months keep their last.';

CREATE TABLE auth.audit_key (
    key_id  text        PRIMARY KEY,
    public  bytea       NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE auth.audit_key IS 'Public keys, for convenience: who proves the log brings their own copy.';

CREATE FUNCTION auth.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON auth.audit_log
    FOR EACH ROW EXECUTE FUNCTION auth.refuse_change();
CREATE TRIGGER audit_batch_append_only BEFORE UPDATE ON auth.audit_batch
    FOR EACH ROW EXECUTE FUNCTION auth.refuse_change();
CREATE TRIGGER audit_log_not_truncated BEFORE TRUNCATE ON auth.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change();
CREATE TRIGGER audit_batch_not_truncated BEFORE TRUNCATE ON auth.audit_batch
    FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change();

-- A partition a month, made before it begins, by the service that may not create tables itself.
CREATE FUNCTION auth.prepare_audit_month(month date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name  text := 'audit_log_' || to_char(first, 'YYYY_MM');
BEGIN
    IF first > now() + interval '70 days' OR first < now() - interval '32 days' THEN
        RAISE EXCEPTION 'no partition is made for %', first;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('auth.audit_log'));
    IF to_regclass('auth.' || name) IS NULL THEN
        EXECUTE format('CREATE TABLE auth.%I PARTITION OF auth.audit_log FOR VALUES FROM (%L) TO (%L)', name,
            first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON auth.%I FROM auth', name);
        -- A trigger on statements is not inherited.
        EXECUTE format('CREATE TRIGGER audit_log_not_truncated BEFORE TRUNCATE ON auth.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change()', name);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION auth.prepare_audit_month(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.prepare_audit_month(date) TO auth;
SELECT auth.prepare_audit_month(now()::date);
SELECT auth.prepare_audit_month((now() + interval '1 month')::date);

REVOKE UPDATE, DELETE, TRUNCATE ON auth.audit_log FROM auth;
REVOKE UPDATE, DELETE, TRUNCATE ON auth.audit_batch FROM auth;

-- The other services note their acts, and see nothing of it; the operator's commands note theirs.
GRANT USAGE ON SCHEMA auth TO ingest, results;
GRANT INSERT (entry) ON auth.audit_pending TO ingest, results, "operator";
