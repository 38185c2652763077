"""What an upload would do: read everything, write nothing."""
