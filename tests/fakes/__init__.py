"""Fakes of the NVIDIA driver library and of the programs that print readings."""
