-- A forgotten password: one-time links, sent by mail or given out by an administrator, and mails that wait to be sent.
CREATE TABLE auth.password_reset (
    token_hash          bytea       PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    id                  uuid        NOT NULL UNIQUE,
    user_id             integer     NOT NULL REFERENCES auth.auth_user ON DELETE CASCADE,
    password_changed_at timestamptz,
    made_by             integer,
    created_at          timestamptz NOT NULL DEFAULT now(),
    expires_at          timestamptz NOT NULL
);
COMMENT ON COLUMN auth.password_reset.password_changed_at IS 'That of the account when the link was made: a changed one ends it.';
COMMENT ON COLUMN auth.password_reset.made_by IS 'The administrator who gave it out; null: it was sent by mail.';
CREATE INDEX password_reset_user_id ON auth.password_reset (user_id);

-- One row for each time that somebody asks, whoever it is: no accounts where none was meant.
CREATE TABLE auth.password_mail (
    id         uuid        PRIMARY KEY,
    user_ids   integer[]   NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at     timestamptz NOT NULL DEFAULT now(),
    attempts   integer     NOT NULL DEFAULT 0
);
COMMENT ON TABLE auth.password_mail IS 'Mails that are to be sent: a row is gone once the server has taken its mails, or has refused them for good.';
CREATE INDEX password_mail_due_at ON auth.password_mail (due_at);
CREATE INDEX auth_user_email ON auth.auth_user (lower(email)) WHERE email <> '';

REVOKE ALL ON auth.password_reset FROM operator;
GRANT SELECT (id, user_id, made_by, created_at, expires_at) ON auth.password_reset TO operator;
