"""The provider over HTTP: the client, and what its answers say."""
