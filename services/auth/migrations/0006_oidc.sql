-- Identities at OpenID providers that accounts sign in with.
CREATE TABLE auth.oidc_identity (
    id           uuid          PRIMARY KEY,
    user_id      integer       NOT NULL REFERENCES auth.auth_user ON DELETE CASCADE,
    issuer       varchar(1000) NOT NULL,
    subject      varchar(255)  NOT NULL,
    created_at   timestamptz   NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    UNIQUE (issuer, subject)
);
COMMENT ON TABLE auth.oidc_identity IS 'Who somebody is to an issuer: never their name or their e-mail.';
CREATE INDEX oidc_identity_user_id ON auth.oidc_identity (user_id);

-- Which identity a session was begun with: it ends with it, and says where else to sign out.
ALTER TABLE auth.auth_session ADD COLUMN identity_id uuid REFERENCES auth.oidc_identity ON DELETE SET NULL;
CREATE INDEX auth_session_identity_id ON auth.auth_session (identity_id) WHERE identity_id IS NOT NULL;

-- A provider has said who it is, and the second factor is missing.
ALTER TABLE auth.sign_in_challenge ADD COLUMN identity_id uuid REFERENCES auth.oidc_identity ON DELETE CASCADE;

-- Round trips to a provider that have let somebody in: none does so twice.
CREATE TABLE auth.oidc_round_trip (
    id         uuid        PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_round_trip_expires_at ON auth.oidc_round_trip (expires_at);

ALTER TABLE auth.auth_user ADD COLUMN let_in_until timestamptz;
COMMENT ON COLUMN auth.auth_user.let_in_until IS
    'Until then the account signs in with its password although PASSWORD_SIGN_IN is off.';

GRANT SELECT (let_in_until) ON auth.auth_user TO operator;
GRANT SELECT (identity_id) ON auth.auth_session TO operator;
GRANT SELECT (identity_id) ON auth.sign_in_challenge TO operator;
