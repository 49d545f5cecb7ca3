-- API tokens: who programs are, by the hash of a secret.
BEGIN IMMEDIATE;

CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;

PRAGMA user_version = 5;
COMMIT;
