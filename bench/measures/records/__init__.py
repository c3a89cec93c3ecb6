"""What recording history and usage costs."""
