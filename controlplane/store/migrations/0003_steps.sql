-- Steps of deployments as rows of their own: of a thousand, one moves at a time. Deployments that ended before keep
-- theirs in their body.
BEGIN IMMEDIATE;

CREATE TABLE steps (
    deployment INTEGER NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (deployment, number)
) WITHOUT ROWID;

PRAGMA user_version = 3;
COMMIT;
