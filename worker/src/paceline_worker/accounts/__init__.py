"""Accounts: API keys under names, their limits, and what the provider says about them."""
