"""Shards: over which parts the state of one deployment is spread, and which of them a question concerns."""
