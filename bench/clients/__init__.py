"""The clients that watch the measured servers."""
