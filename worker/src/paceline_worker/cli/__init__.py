"""The commands that need the worker package; the command line finds them through entry points."""
