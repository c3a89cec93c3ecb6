"""A program with its own outbox and notifier, for tests that kill it.

python -m tests.notifications.notify fire    write a channel, an event and its message into the database, and end
python -m tests.notifications.notify run     empty the outbox until killed
"""

from __future__ import annotations

import os
import sys
import threading
from datetime import timedelta


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
    import django

    django.setup()
    from django.utils import timezone

    from monitor.notifications.notifier import Notifier
    from monitor.notifications.senders import Sending
    from tests.support.outbox_rows import a_channel, a_rule, fire

    if sys.argv[1] == "fire":
        a_channel()
        fire(a_rule(), now=timezone.now() - timedelta(minutes=1))
        return
    Notifier(Sending(webhook_seconds=60).send, poll_seconds=0.05).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
