"""Carries the readings of hosts from the process with an agent's socket to those that show, judge and record them."""
