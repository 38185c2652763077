"""The Business API and SMS."""
