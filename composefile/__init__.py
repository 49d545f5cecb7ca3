"""Compose text -> specification: the class of every key, and errors with line, key, reason and fix. Pure."""
