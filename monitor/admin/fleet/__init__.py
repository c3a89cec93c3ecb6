"""The hosts of the fleet in the admin."""
