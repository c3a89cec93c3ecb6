"""The usage ledger: who held which GPU. In the history database. Times are Unix seconds; `start` is a quarter-hour's.

What is open (the current quarter-hour, running processes) is in the journal, which is written once a minute. The large tables have
neither constraints nor indexes for their foreign keys: rows are found by time, and a GPU or holder outlives its rows
(monitor/usage/pruning.py).
"""

from __future__ import annotations

from django.db import models

_NAME, _UUID = 150, 96


class UsageUser(models.Model):
    """A user of some GPU, with the colour that stays theirs."""

    name = models.CharField(max_length=_NAME, unique=True)
    hue = models.PositiveSmallIntegerField()
    """1 to 8 in the order in which users were first seen; 0: one of the others."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class UsageGpu(models.Model):
    """A GPU that a host has, or had."""

    host_id = models.CharField(max_length=32, blank=True, default="")
    """Of a host with an agent; empty: of this server's own host."""
    uuid = models.CharField(max_length=_UUID)
    index = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    host = models.CharField(max_length=255)
    """The host's name. It stays when the host is deleted."""

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("host_id", "uuid"), name="monitor_usagegpu_one_each"),)

    def __str__(self) -> str:
        return f"GPU {self.index} · {self.uuid}"


class UsagePeriod(models.Model):
    """A span in which the host had the GPU, also where nothing is known of it (server not running, GPU lost)."""

    gpu = models.ForeignKey(UsageGpu, on_delete=models.CASCADE, related_name="periods")
    start = models.FloatField()
    end = models.FloatField(null=True)
    """Null while the GPU is there: it then ends with the journal."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.gpu_id}: {self.start} to {self.end}"


class UsageHolder(models.Model):
    """monitor.usage.holders.Holder: a user and what they run."""

    user = models.CharField(max_length=_NAME, blank=True)
    container = models.CharField(max_length=_NAME, blank=True)
    program = models.CharField(max_length=_NAME, blank=True)
    command = models.CharField(max_length=_NAME, blank=True)
    job = models.CharField(max_length=_NAME, blank=True)
    last_at = models.BigIntegerField()
    """Start of the last slice that counts it."""

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("user", "container", "program", "command", "job"), name="monitor_usageholder_one_each"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.command}"


class UsageSlice(models.Model):
    """One GPU in one quarter-hour. What its states and its holders' shares leave of the GPU's time is not recorded."""

    gpu = models.ForeignKey(UsageGpu, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    start = models.BigIntegerField()
    busy_ms = models.IntegerField()
    held_ms = models.IntegerField()
    """Idle-held. With `busy_ms`, it is the time of all holders and of nobody."""
    nobody_ms = models.IntegerField()
    """In use, and no process visible that uses it."""
    free_ms = models.IntegerField()
    lost_ms = models.IntegerField()
    unread_ms = models.IntegerField()
    """The server ran, but had no reading that shows the use: the driver hung, for example."""
    energy_joules = models.IntegerField()
    energy_ms = models.IntegerField()
    """For how long the energy is known."""

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("start", "gpu"), name="monitor_usageslice_one_each"),)

    def __str__(self) -> str:
        return f"{self.gpu_id} at {self.start}"


class UsageShare(models.Model):
    """One holder's part of a UsageSlice."""

    gpu = models.ForeignKey(UsageGpu, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    start = models.BigIntegerField()
    holder = models.ForeignKey(UsageHolder, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    share_ms = models.IntegerField()
    """The time of the GPU, divided among its holders."""
    user_ms = models.IntegerField()
    """For each dimension the time occupied, so that summed over the holders of one user, each moment counts once."""
    container_ms = models.IntegerField()
    program_ms = models.IntegerField()
    command_ms = models.IntegerField()
    job_ms = models.IntegerField()
    held_ms = models.IntegerField()
    """Of the share: while the GPU was idle-held."""
    zero_ms = models.IntegerField()
    """Of the share: while the holder's SM time was 0 %."""
    sm_known_ms = models.IntegerField()
    """Of `user_ms`: while its SM time was known."""
    sm_percent_seconds = models.IntegerField()
    """SM time in percent × seconds. Over a user's holders it adds up."""
    memory_mib_seconds = models.BigIntegerField()
    energy_joules = models.IntegerField()

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=("start",), name="monitor_usageshare_start"),)

    def __str__(self) -> str:
        return f"{self.holder_id} on {self.gpu_id} at {self.start}"


class UsageProcess(models.Model):
    """A process on a GPU, from first to last seen. Written when it has ended."""

    gpu = models.ForeignKey(UsageGpu, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    holder = models.ForeignKey(UsageHolder, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    pid = models.BigIntegerField()
    started_at = models.FloatField(null=True)
    """When the process itself began: it tells two processes with the same PID apart."""
    command_line = models.CharField(max_length=300, blank=True)
    container_id = models.CharField(max_length=64, blank=True)
    pod = models.CharField(max_length=_NAME, blank=True)
    """namespace/name, else the UID."""
    first_at = models.FloatField()
    last_at = models.FloatField()
    seconds = models.FloatField()
    """How long it was seen on the GPU: less than from first to last where readings are missing."""
    memory_mean_bytes = models.BigIntegerField(null=True)
    memory_peak_bytes = models.BigIntegerField(null=True)
    sm_percent = models.FloatField(null=True)
    zero_seconds = models.FloatField()
    """At 0 % SM time."""
    is_from_accounting = models.BooleanField(default=False)
    """No reading has shown it: the driver's accounting mode did, when it had ended."""

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=("last_at",), name="monitor_usageprocess_last"),)

    def __str__(self) -> str:
        return f"{self.pid} on {self.gpu_id}"


class UsageSpan(models.Model):
    """A span of whole minutes in which a GPU was mostly in one state and with one user: the ribbon of a card."""

    gpu = models.ForeignKey(UsageGpu, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    start = models.BigIntegerField()
    end = models.BigIntegerField()
    state = models.CharField(max_length=10)
    """busy, held, free, unknown or lost."""
    user = models.CharField(max_length=_NAME, blank=True)

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=("end",), name="monitor_usagespan_end"),)

    def __str__(self) -> str:
        return f"{self.gpu_id}: {self.state} from {self.start} to {self.end}"


class UsageJournal(models.Model):
    """What is open of a host, written once a minute. monitor/usage/accounts.py says what is in it."""

    host_id = models.CharField(max_length=32, blank=True, default="", primary_key=True)
    """As of a UsageGpu."""
    until = models.FloatField()
    """Up to here the ledger is complete."""
    data = models.BinaryField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Journal up to {self.until}"
