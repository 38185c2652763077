"""What makes a change of stored work show: seals of operations, campaigns and versions of API keys."""
