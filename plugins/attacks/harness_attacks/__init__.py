"""Attacks of bliss-harness."""
