"""Judging valuators: what their values are worth, and the board that says so."""
