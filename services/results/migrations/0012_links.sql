-- Links for people without an account. A link is a share whose grantee is `link:<id>`: what it opens, until when and
-- whether it was taken back is said there; here is what opens it. Tokens and sessions are 256 random bits, of which
-- only the SHA-256 is kept.
CREATE TABLE results.link (
    id             uuid        PRIMARY KEY,
    share_id       uuid        NOT NULL UNIQUE REFERENCES results.share (id) ON DELETE CASCADE,
    token_hash     bytea       NOT NULL UNIQUE CONSTRAINT link_token_hash CHECK (octet_length(token_hash) = 32),
    password_hash  text,
    download       boolean     NOT NULL,
    opened         bigint      NOT NULL DEFAULT 0,
    last_opened_at timestamptz
);
COMMENT ON COLUMN results.link.password_hash IS 'argon2id; null: whoever has the token may open it.';
COMMENT ON COLUMN results.link.download IS 'Whether the files may be fetched as well, and not only seen.';

CREATE TABLE results.link_session (
    hash       bytea       PRIMARY KEY CONSTRAINT link_session_hash CHECK (octet_length(hash) = 32),
    link_id    uuid        NOT NULL REFERENCES results.link (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX link_session_link_id ON results.link_session (link_id);
CREATE INDEX link_session_expires_at ON results.link_session (expires_at);

-- Refused openings, by link and by address; `key` is a digest.
CREATE TABLE results.link_failure (
    key           text        PRIMARY KEY,
    failures      integer     NOT NULL,
    last_at       timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);
CREATE INDEX link_failure_last_at ON results.link_failure (last_at);
