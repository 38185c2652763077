"""Sending: one process, one event loop; begin, the call at its slot, settle."""
