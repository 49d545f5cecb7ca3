"""The commands of `rope`, a module for each thing people do."""
