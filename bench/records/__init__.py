"""Stored history in a process of its own, for the measures of what is recorded."""
