"""`manage.py serve`, but looks for GPUs again after half a second instead of 30 seconds: for test_empty.py."""

from __future__ import annotations

import os
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
django.setup()

from monitor.runtime.process import set_runtime  # noqa: E402
from monitor.runtime.runtime import Runtime  # noqa: E402

set_runtime(Runtime(settings.GPU_MONITOR, look_again_seconds=0.5))
execute_from_command_line([*sys.argv, "serve"])
