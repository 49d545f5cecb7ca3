-- Each record is one row: its key, and the record as JSON in `body`. Other columns exist only for an index.
BEGIN IMMEDIATE;

CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  body TEXT NOT NULL
);

CREATE TABLE nodes (
  name TEXT NOT NULL PRIMARY KEY,
  body TEXT NOT NULL
);

CREATE TABLE former (
  agent_id TEXT NOT NULL PRIMARY KEY,
  body TEXT NOT NULL
);

CREATE TABLE tickets (
  id TEXT NOT NULL PRIMARY KEY,
  body TEXT NOT NULL
);

CREATE TABLE projects (
  code TEXT NOT NULL PRIMARY KEY,
  body TEXT NOT NULL
);

CREATE TABLE revisions (
  project TEXT NOT NULL,
  number INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (project, number)
);

CREATE TABLE replicas (
  project TEXT NOT NULL,
  service TEXT NOT NULL,
  number INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (project, service, number)
);

CREATE TABLE deployments (
  id INTEGER PRIMARY KEY,
  body TEXT NOT NULL
);

CREATE TABLE tasks (
  id TEXT NOT NULL PRIMARY KEY,
  body TEXT NOT NULL
);

CREATE TABLE rests (
  node TEXT NOT NULL,
  protocol TEXT NOT NULL,
  port INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (node, protocol, port)
);

-- The journal: append only. `cause` is the seq of the event that began the story.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  project TEXT NOT NULL,
  node TEXT NOT NULL,
  deployment INTEGER NOT NULL,
  cause INTEGER NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX events_by_project ON events (project, seq) WHERE project <> '';
CREATE INDEX events_by_node ON events (node, seq) WHERE node <> '';
CREATE INDEX events_by_cause ON events (cause, seq);

-- Hashes only, never a secret itself.
CREATE TABLE secrets (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

PRAGMA application_id = 1919905893; -- "rope"
PRAGMA user_version = 1;
COMMIT;
