"""The stored history: packed readings of the GPUs and of the hosts, and why there are none for some spans.

These tables are in the database settings.HISTORY_DATABASE (monitor/history/database.py). Times are whole Unix seconds.
"""

from __future__ import annotations

from django.db import models


class HistorySource(models.Model):
    """A GPU or a host, with what the last snapshot said about it."""

    host_id = models.CharField(max_length=32, blank=True, default="")
    """Of a host with an agent; empty: of this server's own host."""
    host = models.CharField(max_length=255, blank=True, default="")
    """The host's name. It stays when the host is deleted."""
    key = models.CharField(max_length=200)
    """A GPU's UUID as in the snapshot, or `host`."""
    kind = models.CharField(max_length=10, choices=[("gpu", "GPU"), ("host", "Host")])
    index = models.PositiveIntegerField("GPU index", null=True)
    name = models.CharField(max_length=200)
    """The GPU's model, or the host's name."""
    first_at = models.BigIntegerField()
    """Start of the first bucket."""
    last_at = models.BigIntegerField()
    """End of the last bucket that was written, up to ten minutes late."""
    limits = models.JSONField(default=dict)
    """Totals and limits by the schema's names, such as `memory_total_bytes` and `power_limit_watts`; unknown ones are absent."""

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("host_id", "key"), name="monitor_historysource_one_each"),)

    def __str__(self) -> str:
        return self.key


class HistoryChunk(models.Model):
    """Consecutive buckets of one source and tier, packed (monitor/history/chunk_codec.py).

    A piece is a chunk with `is_open`: about a minute of readings, or the buckets that a finer tier has just rolled up. When the
    span of the whole chunk is over, its pieces are replaced by one chunk, which is rolled up into the next tier.
    """

    source = models.ForeignKey(HistorySource, on_delete=models.CASCADE, db_index=False)
    tier = models.PositiveSmallIntegerField()
    """The number of a Tier (monitor/history/tiers.py)."""
    start = models.BigIntegerField()
    end = models.BigIntegerField()
    """First second after the last bucket."""
    is_open = models.BooleanField(default=False)
    data = models.BinaryField()

    class Meta:
        default_permissions = ()
        # By time before source: what is written in a minute is then in one page of the index.
        indexes = (models.Index(fields=("tier", "start", "source"), name="monitor_history_chunks"),)

    def __str__(self) -> str:
        return f"source {self.source_id}, tier {self.tier}, {self.start}-{self.end}"


class HistoryGap(models.Model):
    """A span without readings, and why."""

    host_id = models.CharField(max_length=32, blank=True, default="")
    """As of a HistorySource."""
    source = models.ForeignKey(HistorySource, on_delete=models.CASCADE, null=True, db_index=False)
    """Null: of all sources of the host."""
    start = models.BigIntegerField()
    end = models.BigIntegerField()
    reason = models.CharField(max_length=20)
    """One of monitor/history/gaps.py."""
    text = models.CharField(max_length=300, blank=True)
    """What the snapshot said, such as the reason for stale readings."""

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=("start",), name="monitor_history_gaps"),)

    def __str__(self) -> str:
        return f"{self.reason}, {self.start}-{self.end}"
