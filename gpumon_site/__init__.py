"""The Django project around the monitor app: settings, addresses and the ASGI application."""
