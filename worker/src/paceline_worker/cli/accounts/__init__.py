"""`paceline accounts`: API keys under names, each with its limits."""
