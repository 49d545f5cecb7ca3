"""The command line `rope`. Talks to the Center over its API; starts Center and agent as processes of their own."""
