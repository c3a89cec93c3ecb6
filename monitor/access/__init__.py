"""Access control: people by sessions, programs by tokens, and what anonymous viewers can see."""
