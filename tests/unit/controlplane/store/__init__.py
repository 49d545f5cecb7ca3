"""Tests of controlplane.store."""
