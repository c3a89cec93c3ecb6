"""`python -m tests.sqlite.recording_host`: recorder and alert engine of a host, with the databases in GPU_MONITOR_DATA_DIR.

Each line on stdin, `SECONDS TEMPERATURE`, moves its clock on by these seconds. It then prints the state of the host.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys

import django
from django.conf import settings
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
django.setup()

from monitor.history import store  # noqa: E402
from monitor.history.database import prepare  # noqa: E402
from monitor.history.tiers import SECONDS  # noqa: E402
from monitor.models import AlertEvent, AlertRule, HistorySource  # noqa: E402
from tests.alerts.engine_scene import Scene, rule  # noqa: E402
from tests.history.machines import Machine  # noqa: E402
from tests.support.snapshots import gpu  # noqa: E402


def main() -> None:
    call_command("migrate", verbosity=0)
    prepare()
    AlertRule.objects.all().delete()
    rule(for_seconds=0)
    # As the other threads of a server have them: without any, SQLite deletes the write-ahead log, and no room is left to begin one.
    others = [sqlite3.connect(settings.DATABASES[alias]["NAME"]) for alias in ("default", "history")]
    for connection in others:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    machine, scene = Machine(), Scene()
    for line in sys.stdin:
        seconds, temperature = map(int, line.split())
        machine.run(seconds)
        scene.goes_on(seconds, gpu(temperature_celsius=temperature))
        source = HistorySource.objects.get(kind="gpu").pk
        found = {
            "history": machine.recorder.problem,
            "alerts": scene.engine.problem,
            "shown": scene.open,
            "stored_seconds": len(store.read(source, SECONDS, 0, 1 << 40).starts),
            "saved": [*AlertEvent.objects.order_by("fired_at").values_list("state", flat=True)],
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
