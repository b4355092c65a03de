-- Lists of everybody's sessions and API keys, newest first, without those that were ended.
CREATE INDEX auth_session_living ON auth.auth_session (id) WHERE revoked_at IS NULL;
CREATE INDEX api_key_living ON auth.api_key (id) WHERE revoked_at IS NULL;
