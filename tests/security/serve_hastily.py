"""`manage.py serve`, but requests must arrive within half a second: for test_slow_clients.py."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

from monitor.server.daphne import Server

Server.request_seconds = 0.5
os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
execute_from_command_line([*sys.argv, "serve"])
