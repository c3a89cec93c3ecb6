"""Tests alert rules on the stored history."""
