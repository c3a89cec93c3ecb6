"""The tests mirror monitor/; fakes/ holds the drivers and programs that they run against."""
