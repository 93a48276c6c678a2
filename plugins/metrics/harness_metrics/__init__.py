"""Metrics of bliss-harness: unknown unknowns, accuracy, calibration, selective prediction, blind spots, cost."""
