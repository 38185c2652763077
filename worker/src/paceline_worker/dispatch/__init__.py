"""Granting: who grants for the fleet, how much, and which worker receives it."""
