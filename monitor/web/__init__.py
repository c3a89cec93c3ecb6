"""Pages, JSON API and health: what a browser or a script asks for."""
