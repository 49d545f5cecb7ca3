"""The decisions of the agent, pure: desired state, containers and `now` in, steps out."""
