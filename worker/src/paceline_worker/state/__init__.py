"""The worker's calls of the state server, its clock, and the migration of what an earlier release wrote."""
