"""The single writer: decide, commit, apply, send."""
