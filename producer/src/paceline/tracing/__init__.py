"""Traces: the context that travels with an operation."""
