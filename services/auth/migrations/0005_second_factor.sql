-- A second factor at sign-in: codes of an authenticator app (RFC 6238), and recovery codes for when it is lost.
CREATE TABLE auth.totp (
    id            uuid        PRIMARY KEY,
    user_id       integer     NOT NULL UNIQUE REFERENCES auth.auth_user ON DELETE CASCADE,
    key_reference text        NOT NULL,
    seed          bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    confirmed_at  timestamptz,
    last_step     bigint      NOT NULL DEFAULT 0
);
COMMENT ON TABLE auth.totp IS 'One authenticator a person; asked for once a code of it has confirmed it.';
COMMENT ON COLUMN auth.totp.seed IS 'Encrypted under a key derived from auth''s keyring (services/auth/second_factor/seeds.py).';
COMMENT ON COLUMN auth.totp.last_step IS 'The newest time step whose code was used: that one and those before count no more.';

CREATE TABLE auth.recovery_code (
    user_id   integer NOT NULL REFERENCES auth.auth_user ON DELETE CASCADE,
    selector  text    NOT NULL,
    code_hash text    NOT NULL,
    PRIMARY KEY (user_id, selector)
);
COMMENT ON TABLE auth.recovery_code IS 'Recovery codes that were not used: how each begins, and the hash of the rest.';

-- Who has given the right password, and not yet the second factor. A row is gone once it has become a session.
CREATE TABLE auth.sign_in_challenge (
    id                  uuid        PRIMARY KEY,
    user_id             integer     NOT NULL REFERENCES auth.auth_user ON DELETE CASCADE,
    password_changed_at timestamptz,
    expires_at          timestamptz NOT NULL
);
COMMENT ON COLUMN auth.sign_in_challenge.password_changed_at IS 'That of the account when its password was right.';
CREATE INDEX sign_in_challenge_user_id ON auth.sign_in_challenge (user_id);
CREATE INDEX sign_in_challenge_expires_at ON auth.sign_in_challenge (expires_at);

ALTER TABLE auth.auth_group ADD COLUMN requires_second_factor boolean NOT NULL DEFAULT false;
ALTER TABLE auth.auth_session ADD COLUMN proof text NOT NULL DEFAULT 'password';
COMMENT ON COLUMN auth.auth_session.proof IS 'What it was begun with: password, second-factor, or another that asks for none.';

REVOKE ALL ON auth.totp, auth.recovery_code, auth.sign_in_challenge FROM operator;
GRANT SELECT (id, user_id, key_reference, created_at, confirmed_at, last_step) ON auth.totp TO operator;
GRANT SELECT (user_id) ON auth.recovery_code TO operator;
GRANT SELECT (id, user_id, expires_at) ON auth.sign_in_challenge TO operator;
GRANT SELECT (proof) ON auth.auth_session TO operator;
