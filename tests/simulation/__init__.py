"""The whole control plane in virtual time: real cores and real frames, the world around them simulated from a seed."""
