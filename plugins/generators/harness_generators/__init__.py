"""Generators of bliss-harness."""
