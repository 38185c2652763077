"""Scripts that every package shares, and the dictionary of stored fields."""
