"""What was told, what waits and what failed: to look at, and to try again."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from monitor.models import Delivery


@admin.register(Delivery)
class DeliveryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The outbox. Messages are made by alerts; nobody writes or changes one here."""

    list_display = ("created_at", "channel", "kind", "rule", "alerts", "status", "attempts", "sent_at", "last_error")
    list_filter = ("status", "kind", "channel", "created_at")
    list_select_related = ("channel", "rule")
    search_fields = ("message_id", "channel__name", "events__summary")
    actions = ("try_again",)
    fields = (
        "message_id",
        "channel",
        "kind",
        "rule",
        "alerts",
        "status",
        "part_of",
        "attempts",
        "created_at",
        "due_at",
        "first_attempt_at",
        "sent_at",
        "last_error",
    )
    readonly_fields = fields

    @admin.display(description="alerts")
    def alerts(self, delivery: Delivery) -> str:
        """What it tells of: the first in words, the others by number."""
        events = [*delivery.events.all(), *(event for part in delivery.parts.all() for event in part.events.all())]
        summaries = [
            event.summary for event in sorted(events, key=lambda event: (event.fired_at, event.gpu_index or 0))
        ]
        more = f" and {len(summaries) - 1} more" if len(summaries) > 1 else ""
        return f"{summaries[0]}{more}" if summaries else "none"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """With what `alerts` reads."""
        return super().get_queryset(request).prefetch_related("events", "parts__events")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may try again: who could change deliveries, if these could be changed."""
        return request.user.has_perm("monitor.change_delivery")

    @admin.action(description="Try again now", permissions=["retry"])
    def try_again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        """Those given up begin anew; those that wait for their next attempt have it now."""
        now = timezone.now()
        ids = list(deliveries.values_list("pk", flat=True))
        again = Delivery.objects.filter(pk__in=ids).exclude(kind="test")
        count = again.filter(status="failed").update(status="waiting", due_at=now, first_attempt_at=None)
        count += again.filter(status="waiting", due_at__gt=now).update(due_at=now)
        left = len(ids) - count
        self.message_user(
            request,
            f"{count} will be tried again within a few seconds."
            + (f" {left} left as they are: sent, on their way, held, or a test." if left else ""),
        )
