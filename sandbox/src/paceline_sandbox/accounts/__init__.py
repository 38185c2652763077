"""API keys, numbers, and the limits that apply to them."""
