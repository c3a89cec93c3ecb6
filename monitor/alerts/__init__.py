"""Alerts: evaluates the rules on each snapshot, and stores events and rules."""
