-- Lines of the journal that say who asked.
BEGIN IMMEDIATE;

ALTER TABLE events ADD COLUMN actor TEXT NOT NULL DEFAULT '';
CREATE INDEX events_by_people ON events (seq) WHERE actor <> '';

PRAGMA user_version = 2;
COMMIT;
