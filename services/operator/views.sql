-- What the operator reads in psql under the names that people know, without any secret. Made anew by every
-- migration. No service may use this schema; services name theirs in every statement.

CREATE SCHEMA IF NOT EXISTS "operator";
REVOKE ALL ON SCHEMA "operator" FROM PUBLIC;
GRANT USAGE ON SCHEMA "operator" TO "operator";

DROP VIEW IF EXISTS "operator".auth_user, "operator".django_session, "operator".django_admin_log,
    "operator".django_content_type, "operator".django_migrations;

CREATE VIEW "operator".auth_user AS
    SELECT id, '********'::varchar(128) AS password, last_login, is_superuser, username, first_name, last_name,
        email, is_staff, is_active, date_joined, kind, language, default_collection, must_change_password,
        password_changed_at, access_version, access_changed_at
    FROM auth.auth_user;

-- The key is a digest of the session's id: it names a session and opens none.
CREATE VIEW "operator".django_session AS
    SELECT encode(sha256(id::text::bytea), 'hex') AS session_key,
        jsonb_build_object('user_id', user_id, 'remote_address', remote_address, 'user_agent', user_agent,
            'created_at', created_at, 'last_used_at', last_used_at, 'revoked_at', revoked_at)::text AS session_data,
        expires_at AS expire_date
    FROM auth.auth_session;

CREATE VIEW "operator".django_admin_log AS
    SELECT id, action_time, user_id, content_type_id, object_id, object_repr, action_flag, change_message
    FROM auth.admin_log;

CREATE VIEW "operator".django_content_type AS
    SELECT id, app_label, model FROM auth.django_content_type;

CREATE VIEW "operator".django_migrations AS
    SELECT row_number() OVER (ORDER BY applied_at, app, version)::integer AS id, app, name, applied_at AS applied
    FROM (
        SELECT 'auth' AS app, version, name, applied_at FROM auth.schema_migration
        UNION ALL SELECT 'ingest', version, name, applied_at FROM ingest.schema_migration
        UNION ALL SELECT 'results', version, name, applied_at FROM results.schema_migration
    ) AS applied;

GRANT SELECT ON ALL TABLES IN SCHEMA "operator" TO "operator";
