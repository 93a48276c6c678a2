"""Engines execute a plan over a store."""
