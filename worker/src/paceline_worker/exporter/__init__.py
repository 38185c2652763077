"""The exporter: the gauges of the state in one process."""
