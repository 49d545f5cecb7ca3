"""The door for people and programs: HTTP API, stream, pages."""
