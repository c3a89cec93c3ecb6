"""The Django project around the monitor app: settings, addresses, the ASGI application and the command line."""
