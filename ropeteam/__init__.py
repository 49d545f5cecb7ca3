"""The command line `rope`."""
