"""Pages and JSON API, for browsers and scripts."""
