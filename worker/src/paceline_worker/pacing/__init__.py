"""The token bucket as arithmetic; lua/bucket.lua computes the same."""
