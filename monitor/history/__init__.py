"""Stored metrics: what every GPU and the host did, in seconds for days, in minutes for months, in quarter-hours for years."""
