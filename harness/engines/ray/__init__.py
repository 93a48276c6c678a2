"""The engine ``ray``: stages as tasks on a Ray cluster, or on a Ray that is started for the run."""
