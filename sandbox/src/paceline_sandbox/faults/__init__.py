"""Faults: what goes wrong, when, and by which scenario."""
