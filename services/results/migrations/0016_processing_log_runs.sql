-- What each attempt took, and the attempts before the one that ended a file. The release before writes rows without.
ALTER TABLE results.processing_log
    ADD COLUMN lane              text,
    ADD COLUMN waited_seconds    double precision,
    ADD COLUMN fetch_seconds     double precision,
    ADD COLUMN decode_seconds    double precision,
    ADD COLUMN measure_seconds   double precision,
    ADD COLUMN store_seconds     double precision,
    ADD COLUMN cpu_seconds       double precision,
    ADD COLUMN peak_memory_bytes bigint,
    DROP CONSTRAINT processing_log_outcome_check,
    -- Not validated: all that was written under the narrower one fits.
    ADD CONSTRAINT processing_log_outcome
        CHECK (outcome IN ('received', 'processed', 'failed', 'retried')) NOT VALID;

COMMENT ON COLUMN results.processing_log.outcome IS '`retried`: the attempt came to nothing, and another one followed.';
COMMENT ON COLUMN results.processing_log.lane IS 'Where the file waited.';
COMMENT ON COLUMN results.processing_log.waited_seconds IS
    'Since the file was sent, or the attempt before ended; and for a free decoder.';
COMMENT ON COLUMN results.processing_log.fetch_seconds IS 'To make the object readable to a decoder.';
COMMENT ON COLUMN results.processing_log.decode_seconds IS 'To read, decrypt and decode it.';
COMMENT ON COLUMN results.processing_log.measure_seconds IS 'For measures and thumbnail.';
COMMENT ON COLUMN results.processing_log.store_seconds IS 'To store the thumbnail and what else was made.';
COMMENT ON COLUMN results.processing_log.cpu_seconds IS 'CPU time of the decoder process.';
COMMENT ON COLUMN results.processing_log.peak_memory_bytes IS 'Most that was resident in the decoder process.';
COMMENT ON COLUMN results.processing_log.recorded_at IS
    'When it was stored; less finished_at, of the attempt that ended the file: how long telling it took.';

-- For the operator, in psql. They read the whole log.
CREATE VIEW results.processing_attempt AS
    SELECT log.file_id, file.collection, file.device_name, file.modality, file.transfer_syntax_uid, log.attempt,
        log.outcome, log.reason, log.worker, log.lane, log.started_at, log.finished_at,
        extract(epoch FROM log.finished_at - log.started_at)::double precision AS seconds,
        log.waited_seconds, log.fetch_seconds, log.decode_seconds, log.measure_seconds, log.store_seconds,
        CASE WHEN log.outcome <> 'retried'
            THEN greatest(extract(epoch FROM log.recorded_at - log.finished_at), 0)::double precision
        END AS told_seconds,
        log.cpu_seconds, log.peak_memory_bytes
    FROM results.processing_log AS log LEFT JOIN results.upload_dicomresult AS file USING (file_id)
    WHERE log.outcome <> 'received';
COMMENT ON VIEW results.processing_attempt IS 'Every attempt that anybody told of, with what it was made on.';

DO $$
DECLARE
    view record;
BEGIN
    FOR view IN SELECT * FROM (VALUES
        ('worker', 'worker'),
        ('device', 'device_name'),
        ('codec', 'transfer_syntax_uid'),
        ('day', $day$(finished_at AT TIME ZONE 'UTC')::date AS day$day$)
    ) AS views (name, key)
    LOOP
        EXECUTE format($view$
            CREATE VIEW results.processing_by_%s AS
            SELECT %s, count(*) AS attempts,
                count(*) FILTER (WHERE outcome = 'processed') AS processed,
                count(*) FILTER (WHERE outcome = 'failed') AS failed,
                count(*) FILTER (WHERE outcome = 'retried') AS retried,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY waited_seconds) AS waited_p50,
                percentile_cont(0.99) WITHIN GROUP (ORDER BY waited_seconds) AS waited_p99,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds_p50,
                percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) AS seconds_p99,
                avg(fetch_seconds) AS fetch_mean, avg(decode_seconds) AS decode_mean,
                avg(measure_seconds) AS measure_mean, avg(store_seconds) AS store_mean,
                avg(told_seconds) AS told_mean, sum(cpu_seconds) AS cpu_seconds,
                max(peak_memory_bytes) AS peak_memory_bytes,
                min(started_at) AS first_started_at, max(finished_at) AS last_finished_at
            FROM results.processing_attempt GROUP BY 1
            $view$, view.name, view.key);
        EXECUTE format($word$COMMENT ON VIEW results.processing_by_%1$s IS
            'Attempts, waiting times and what they took, by %1$s; seconds.'$word$, view.name);
    END LOOP;
END
$$;
