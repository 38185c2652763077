"""Campaigns: recipients, upload, plan, control."""
