"""Deliveries in the admin: sent, waiting and failed messages, to view and to retry."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from monitor.admin.bounded import BoundedAdmin, delete_selected
from monitor.models import AlertEvent, Delivery


@admin.register(Delivery)
class DeliveryAdmin(BoundedAdmin):
    """Read-only: alerts create the messages."""

    list_display = (
        "created_at",
        "channel",
        "kind",
        "recipient",
        "rule",
        "alerts",
        "status",
        "attempts",
        "sent_at",
        "last_error",
    )
    list_filter = ("status", "kind", "channel", "created_at")
    list_select_related = ("channel", "rule")
    search_fields = ("message_id", "channel__name", "events__summary")
    actions = (delete_selected, "try_again")
    fields = (
        "message_id",
        "channel",
        "kind",
        "recipient",
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
        """The summary of the first alert, and the number of the others. A digest can have tens of thousands."""
        of = AlertEvent.objects.filter(Q(deliveries=delivery) | Q(deliveries__part_of=delivery)).order_by()
        count = of.values("pk").distinct().count()
        if not count:
            return "none"
        first = of.order_by("fired_at", "gpu_index").values_list("summary", flat=True)[0]
        return f"{first} and {count - 1} more" if count > 1 else first

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Retrying needs the permission to change deliveries, which nothing else uses."""
        return request.user.has_perm("monitor.change_delivery")

    @admin.action(description="Retry now", permissions=["retry"])
    def try_again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        """Abandoned messages start over; waiting ones have their next attempt now."""
        now = timezone.now()
        ids = list(deliveries.values_list("pk", flat=True))
        again = Delivery.objects.filter(pk__in=ids).exclude(kind="test")
        count = again.filter(status="failed").update(status="waiting", due_at=now, first_attempt_at=None)
        count += again.filter(status="waiting", due_at__gt=now).update(due_at=now)
        left = len(ids) - count
        self.message_user(
            request,
            f"Retrying {count} within a few seconds."
            + (f" Unchanged: {left} (sent, being sent, held, or a test)." if left else ""),
        )
