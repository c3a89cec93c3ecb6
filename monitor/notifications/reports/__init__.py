"""The weekly reports: when they are due, to whom they go, and what they say."""
