"""The token bucket as arithmetic; lua/shared/bucket.lua computes the same."""
