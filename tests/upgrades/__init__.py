"""Databases of earlier releases, and their upgrades."""
