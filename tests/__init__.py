"""The tests mirror monitor/ and gpumon_site/; fakes/ holds what they talk to."""
