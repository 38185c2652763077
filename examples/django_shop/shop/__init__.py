"""A shop that tells its customers that their orders are ready."""
