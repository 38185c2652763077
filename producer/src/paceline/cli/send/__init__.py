"""The commands that put work into the outbox."""
