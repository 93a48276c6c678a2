"""The version of ``bliss-harness``."""

__version__ = "0.1.0"
