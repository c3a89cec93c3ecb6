"""Alerts of this process: the engine that judges and the notifier that tells, wired to readings, pages and outbox."""

from __future__ import annotations

import atexit
from collections.abc import Callable

from monitor.alerts.engine import Engine
from monitor.alerts.store import IdleLimits
from monitor.config.model import Config
from monitor.live.hub import Hub
from monitor.notifications import outbox
from monitor.notifications.notifier import Notifier
from monitor.notifications.senders import Sending
from monitor.telemetry.recent import Recent
from monitor.telemetry.schema import Snapshot


class Alerting:
    """Starts once, with the telemetry loop, and ends with the process."""

    def __init__(self, hub: Hub, *, config: Callable[[], Config], watch: Callable[[], object]) -> None:
        """`config`: the settings in force. `watch`: looks for settings that another process changed."""

        def limits() -> IdleLimits:
            now = config()
            return IdleLimits(now.idle_held_memory_mib, now.idle_held_utilization_percent, now.idle_held_minutes)

        self.recent = Recent()
        """The last minutes of readings, for trying rules on them."""
        now = config()
        sending = Sending(public_url=now.public_url, forbids_private=now.forbid_private_webhooks)
        self.notifier = Notifier(sending.send)
        self.engine = Engine(
            limits=limits,
            retention_days=lambda: config().alert_retention_days,
            tell=outbox.tell,
            show=hub.set_alerts,
            watch=watch,
            keep=self.recent.add,
            written=self.notifier.wake,
        )

    def start(self) -> None:
        """Start judging and telling."""
        atexit.register(self.stop)
        self.engine.start()
        self.notifier.start()

    def stop(self) -> None:
        """Write down what is remembered and finish messages under way; a second call does nothing."""
        self.engine.stop()
        self.notifier.stop()

    def take(self, snapshot: Snapshot) -> None:
        """The next snapshot, from the telemetry thread."""
        self.engine.offer(snapshot)

    def changed(self) -> None:
        """Look at rules and acknowledgements now."""
        self.engine.changed()
