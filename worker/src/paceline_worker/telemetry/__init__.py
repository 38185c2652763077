"""Metrics, log lines and the measurement of work."""
