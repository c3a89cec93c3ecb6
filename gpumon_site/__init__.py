"""The Django project around the monitor app: settings, URLs, the ASGI application and the command line."""
