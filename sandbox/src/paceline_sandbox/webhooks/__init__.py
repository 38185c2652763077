"""Webhooks: subscriptions, and the receipts sent to them."""
