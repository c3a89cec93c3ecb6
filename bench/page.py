"""The dashboard's page, for programs that serve it without the rest of the site. Importing this module sets up Django."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpumon_site.settings")
django.setup()

from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT  # noqa: E402  # after Django's setup
from monitor.web.pages.dashboard import live_page  # noqa: E402

PAGE = live_page("cards", lambda: IDLE_BY_DEFAULT)
