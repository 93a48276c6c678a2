"""Metrics of bliss-harness."""
