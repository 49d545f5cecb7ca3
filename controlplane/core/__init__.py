"""The decisions of the Center, pure: events and `now` in, changes and actions out."""
