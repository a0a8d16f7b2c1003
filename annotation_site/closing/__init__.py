"""Putting projects away, and deleting them; what stays of those that are deleted."""
