"""Suppression lists: numbers that an account, or no account, must not write to (docs/campaigns.md)."""
