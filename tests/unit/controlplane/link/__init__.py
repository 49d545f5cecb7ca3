"""Tests of controlplane.link."""
