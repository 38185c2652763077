"""The commands of paceline campaign."""
