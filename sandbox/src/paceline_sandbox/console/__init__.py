"""What a person sees of the sandbox: the page, the report, the journal."""
