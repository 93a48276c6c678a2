"""Experiment trackers as observers of a run; each is silent unless its environment variable is set."""
