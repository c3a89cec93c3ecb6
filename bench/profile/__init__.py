"""Where the CPU of a reading goes: by thread of the server, and by part of the sampler's work."""
