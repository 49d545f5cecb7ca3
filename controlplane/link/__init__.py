"""The door for agents: registration and one WebSocket per node."""
