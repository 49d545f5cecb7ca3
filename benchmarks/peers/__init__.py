"""The same work by us, by Docker Swarm and by hand, on the same hosts with real engines. Needs root; see `lab`."""
