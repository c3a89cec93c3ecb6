"""How often a client may ask, and how often it may try a password."""
