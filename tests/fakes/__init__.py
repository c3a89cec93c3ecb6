"""Stand-ins for what the project talks to: the NVIDIA driver library and programs that print readings."""
