"""Messages, profiles, histories."""
