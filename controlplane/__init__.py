"""The Center: API, scheduler, failure detector, state. One writer, pure core (ARCHITECTURE.md)."""
