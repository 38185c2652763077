"""Webhooks out: events are posted, signed, to addresses that other services named."""
