-- Upgrades of agents: which nodes, to which image, how far each is.
BEGIN IMMEDIATE;

CREATE TABLE upgrades (
    id INTEGER PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;

PRAGMA user_version = 4;
COMMIT;
