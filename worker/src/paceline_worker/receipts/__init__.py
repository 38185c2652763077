"""Receiving receipts: what the provider's webhooks tell of messages after they were accepted (docs/receipts.md)."""
