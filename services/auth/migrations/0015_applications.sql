-- Applications: programs of others, viewers above all, that people let read in their place (OpenID Connect).
CREATE TABLE auth.application (
    client_id                 varchar(64)  PRIMARY KEY,
    name                      varchar(100) NOT NULL,
    redirect_uris             text[]       NOT NULL,
    post_logout_redirect_uris text[]       NOT NULL DEFAULT '{}',
    scopes                    text[]       NOT NULL,
    trusted                   boolean      NOT NULL DEFAULT false,
    secret_hash               bytea,
    is_active                 boolean      NOT NULL DEFAULT true,
    created_at                timestamptz  NOT NULL DEFAULT now(),
    last_used_at              timestamptz
);
COMMENT ON COLUMN auth.application.trusted IS 'Of this house: nobody is asked whether it may.';
COMMENT ON COLUMN auth.application.secret_hash IS 'SHA-256; null for one that can keep no secret, as pages in a browser.';

-- What a session gives out: of whom it is, by which application it is used, and what it may.
ALTER TABLE auth.auth_session
    ADD COLUMN client_id varchar(64),
    ADD COLUMN scopes    text[],
    ADD COLUMN parent_id uuid REFERENCES auth.auth_session ON DELETE CASCADE;
COMMENT ON COLUMN auth.auth_session.client_id IS 'The application that uses it; null for people themselves.';
COMMENT ON COLUMN auth.auth_session.parent_id IS 'The sign-in that let the application in; with it this one ends.';
CREATE INDEX auth_session_parent_id ON auth.auth_session (parent_id) WHERE parent_id IS NOT NULL;

CREATE FUNCTION auth.end_sessions_of_applications() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS
$$ BEGIN
    UPDATE auth.auth_session SET revoked_at = NEW.revoked_at WHERE parent_id = NEW.id AND revoked_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER end_sessions_of_applications AFTER UPDATE OF revoked_at ON auth.auth_session
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION auth.end_sessions_of_applications();

-- Authorization codes, kept for a while after their use: one that comes again ends what it gave.
CREATE TABLE auth.authorization_code (
    code_hash    bytea       PRIMARY KEY,
    client_id    varchar(64) NOT NULL REFERENCES auth.application ON DELETE CASCADE,
    user_id      integer     NOT NULL REFERENCES auth.auth_user ON DELETE CASCADE,
    session_id   uuid        NOT NULL REFERENCES auth.auth_session ON DELETE CASCADE,
    redirect_uri text        NOT NULL,
    scopes       text[]      NOT NULL,
    nonce        text,
    challenge    text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    granted_id   uuid
);
COMMENT ON COLUMN auth.authorization_code.session_id IS 'The sign-in of whoever let the application in.';
COMMENT ON COLUMN auth.authorization_code.granted_id IS 'The session that it was exchanged for.';
CREATE INDEX authorization_code_user_id ON auth.authorization_code (user_id, expires_at);
CREATE INDEX authorization_code_expires_at ON auth.authorization_code (expires_at);
CREATE INDEX authorization_code_session_id ON auth.authorization_code (session_id);

INSERT INTO auth.django_content_type (app_label, model) VALUES ('auth', 'application') ON CONFLICT DO NOTHING;
INSERT INTO auth.auth_permission (name, content_type, content_type_id, codename)
    SELECT 'Can ' || action.name || ' application', kind.app_label, kind.id, action.name || '_application'
    FROM auth.django_content_type AS kind
    CROSS JOIN (VALUES ('add'), ('change'), ('delete'), ('view')) AS action (name)
    WHERE kind.app_label = 'auth' AND kind.model = 'application'
    ORDER BY action.name
    ON CONFLICT DO NOTHING;
INSERT INTO auth.auth_group_permissions (group_id, permission_id)
    SELECT one.id, permission.id
    FROM auth.auth_group AS one
    JOIN auth.auth_permission AS permission
        ON permission.codename IN ('add_application', 'change_application', 'delete_application', 'view_application')
    WHERE one.name = 'administrator'
    ON CONFLICT DO NOTHING;

REVOKE ALL ON auth.application, auth.authorization_code FROM operator;
GRANT SELECT (client_id, name, redirect_uris, post_logout_redirect_uris, scopes, trusted, is_active, created_at, last_used_at)
    ON auth.application TO operator;
GRANT SELECT (client_id, user_id, session_id, redirect_uri, scopes, created_at, expires_at, used_at, granted_id)
    ON auth.authorization_code TO operator;
GRANT SELECT (client_id, scopes, parent_id) ON auth.auth_session TO operator;
