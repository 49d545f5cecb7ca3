"""The agent: holds the rope to the Center and drives the local Docker Engine."""
