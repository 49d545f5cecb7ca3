"""Tests of controlplane.controller."""
