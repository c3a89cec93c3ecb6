"""The files of deploy/, run for real: behind nginx, under gunicorn and PM2, as systemd services, as a container image."""
