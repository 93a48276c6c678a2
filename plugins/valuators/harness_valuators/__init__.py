"""Valuators of bliss-harness."""
