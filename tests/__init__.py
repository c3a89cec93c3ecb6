"""The tests mirror monitor/; fakes/ holds what they talk to."""
