"""What stands in deploy/ and beside it, run for real: behind nginx, under gunicorn, PM2 and systemd's eyes, as an image."""
