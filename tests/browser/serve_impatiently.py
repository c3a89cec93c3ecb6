"""`manage.py serve`, except that GPUs are looked for again after half a second and not after 30: for test_empty.py."""

from __future__ import annotations

import functools
import os
import sys

from django.core.management import execute_from_command_line

from monitor.runtime import pipeline
from monitor.telemetry.sampler.supervisor import Supervisor

pipeline.Supervisor = functools.partial(Supervisor, look_again_seconds=0.5)  # type: ignore[misc,assignment]
os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
execute_from_command_line([*sys.argv, "serve"])
