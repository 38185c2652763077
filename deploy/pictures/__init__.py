"""Pictures of the console and of the sandbox for the documents."""
