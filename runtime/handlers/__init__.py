"""Stored code: what a tenant registered to run before or after something, and how it is run."""
