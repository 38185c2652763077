"""The faults: each function hurts a fleet in one way and returns the row of the report."""
