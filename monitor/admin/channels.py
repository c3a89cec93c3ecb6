"""Channels in the admin: a form, which alone shows a channel's URL, and a test message."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import MinValueValidator
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from monitor.admin.bounded import BoundedAdmin
from monitor.models import Channel, Delivery
from monitor.notifications import delivery_queue
from monitor.notifications.masking import masked
from monitor.notifications.senders import Sending, run_child
from monitor.notifications.sending_child import ServiceOrder
from monitor.notifications.webhook_signature import key_of, new_secret

TEST_SECONDS = 20
"""The browser waits for it."""
SIGNED_WEBHOOK = "Signed webhook"
MOST_FORMS = 4
"""Forms of a service's URL in an error, the shortest first."""
EXAMPLES = (
    "mailtos://user:password@smtp.example.com?to=oncall@example.com, slack://TokenA/TokenB/TokenC, ntfys://topic, "
    "https://example.com/hook"
)


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A channel whose URL belongs to a service of Apprise, or is a signed webhook."""

    url = forms.CharField(
        label="URL",
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"}),
        help_text="An Apprise URL, or the webhook address copied from a service. Any other http or https URL receives signed "
        f"JSON. For example {EXAMPLES}. Shown only in this form.",
    )
    signing_secret = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"}),
        help_text="For signed JSON: the receiver verifies the signature with it. Leave empty to generate one.",
    )

    class Meta:
        model = Channel
        fields = (
            "name",
            "url",
            "signing_secret",
            "is_enabled",
            "is_for_all_rules",
            "is_for_weekly_report",
            "minimum_severity",
            "messages_per_hour",
        )
        help_texts = {  # noqa: RUF012  # as Django's forms have it
            "is_for_all_rules": "Used by all rules without channels of their own.",
            "is_for_weekly_report": "On Mondays: who used the GPUs, idle-held time, the hottest GPU, alerts. The first mail "
            "channel with it also sends users their own report, if the settings say how their addresses are made.",
            "minimum_severity": "Alerts below this severity are not sent here.",
            "messages_per_hour": "At least 1. Messages over the limit are combined into one.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "messages_per_hour" in self.fields:  # missing in the read-only form
            self.fields["messages_per_hour"].validators.append(MinValueValidator(1))

    def clean_url(self) -> str:
        return str(self.cleaned_data["url"]).strip()

    @property
    def has_new_url(self) -> bool:
        return "url" in self.changed_data or not self.instance.pk

    def clean(self) -> dict[str, Any]:
        """Recognize a new URL; only webhooks have a signing secret."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "url" not in cleaned:
            return cleaned
        url, secret = cleaned["url"], cleaned.get("signing_secret", "").strip()
        if self.has_new_url or not self.instance.service:
            self.instance.service = _service_of(url)
        is_webhook = self.instance.service == SIGNED_WEBHOOK
        if is_webhook:
            try:
                key_of(secret or new_secret())
            except ValueError as error:
                self.add_error("signing_secret", str(error))
        cleaned["signing_secret"] = (secret or new_secret()) if is_webhook else ""
        return cleaned


def _service_of(url: str) -> str:
    """What a URL is: a service of Apprise, or SIGNED_WEBHOOK. Raises ValidationError with what is missing if it is neither."""
    answer = run_child(ServiceOrder(url=url, limit_seconds=TEST_SECONDS))
    if answer.has_failed:
        raise ValidationError({"url": f"The URL could not be checked: {answer.error} Try again."})
    if answer.is_refused:
        raise ValidationError({"url": answer.error})
    if answer.service is not None and answer.error is None:
        return answer.service
    if answer.service is not None:
        shown = " or ".join(answer.forms[:MOST_FORMS])
        raise ValidationError({"url": f"{answer.service} was recognized. {answer.error} Expected: {shown}"})
    if url.lower().startswith(("http://", "https://")):
        try:
            parts = urlsplit(url)
            is_address = bool(parts.hostname) and parts.port != 0 and not any(character.isspace() for character in url)
        except ValueError:
            is_address = False
        if is_address:
            return SIGNED_WEBHOOK
        raise ValidationError({"url": "Not a valid http(s) URL: host missing or port invalid."})
    raise ValidationError(
        {
            "url": "No service accepts this URL: its scheme is unknown. "
            f"For example {EXAMPLES}. docs/notifications.md shows more."
        }
    )


@admin.register(Channel)
class ChannelAdmin(BoundedAdmin):
    """Masks URLs outside the form, for administrators too."""

    form = ChannelForm
    list_display = (
        "name",
        "type",
        "shown_url",
        "is_enabled",
        "last_error",
        "last_error_at",
        "last_sent_at",
        "minimum_severity",
    )
    list_filter = ("is_enabled", "minimum_severity")
    search_fields = ("name",)
    readonly_fields = ("type", "may_reach_private", "last_sent_at", "last_error", "last_error_at")

    @admin.display(description="URL")
    def shown_url(self, channel: Channel) -> str:
        return masked(channel.url)

    @admin.display(description="type", ordering="service")
    def type(self, channel: Channel) -> str:
        """What its URL was recognized as; for one that an earlier version saved, the URL's scheme."""
        webhook = SIGNED_WEBHOOK if channel.signing_secret else ""
        return channel.service or webhook or channel.url.partition("://")[0].lower()[:20] or "unknown"

    def save_model(self, request: HttpRequest, obj: Channel, form: ChannelForm, change: bool) -> None:
        """Say what the URL was recognized as. A URL from a superuser may lead to addresses that are not public."""
        is_superuser = bool(getattr(request.user, "is_superuser", False))
        if form.has_new_url or is_superuser:
            obj.may_reach_private = is_superuser
        super().save_model(request, obj, form, change)
        public = (
            "" if obj.may_reach_private else " It reaches public addresses only, because no superuser entered its URL."
        )
        self.message_user(request, f"Recognized as: {self.type(obj)}.{public}", messages.INFO)

    def get_fields(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        """Users who can view but not change a channel see neither its URL nor its secret."""
        edited = list(ChannelForm.Meta.fields)
        if obj is None:
            return edited
        if not self.has_change_permission(request, obj):
            edited = ["shown_url" if name == "url" else name for name in edited if name != "signing_secret"]
        return [*edited, *self.readonly_fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        may_change = obj is None or self.has_change_permission(request, obj)
        return self.readonly_fields if may_change else ("shown_url", *self.readonly_fields)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse to filter the list by URL or secret: they could be guessed piece by piece."""
        is_secret = lookup.partition("__")[0] in ("url", "signing_secret")
        return not is_secret and super().lookup_allowed(lookup, value, request)

    def get_urls(self) -> list[URLPattern]:
        test = path("<path:object_id>/test/", self.admin_site.admin_view(self.send_test), name="monitor_channel_test")
        return [test, *super().get_urls()]

    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a test message with the saved channel, and show the result on its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        channel = self.get_object(request, object_id)
        if not self.has_change_permission(request, channel):
            raise PermissionDenied
        if channel is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        error = _test(channel, request.build_absolute_uri(reverse("dashboard")))
        if error is None:
            self.message_user(request, "Test message sent. Check that it has arrived.", messages.SUCCESS)
        else:
            self.message_user(request, f"Test failed: {error}", messages.ERROR)
        return redirect(reverse("admin:monitor_channel_change", args=(channel.pk,)))


def _test(channel: Channel, public_url: str) -> str | None:
    now = timezone.now()
    delivery = Delivery.objects.create(
        channel=channel,
        kind="test",
        status="sending",
        attempts=1,
        created_at=now,
        due_at=now,
        first_attempt_at=now,
    )
    sending = Sending(
        public_url=public_url,
        apprise_seconds=TEST_SECONDS,
        forbids_private=settings.GPU_MONITOR.forbid_private_webhooks,
    )
    error = sending.send(delivery, now=now)
    delivery_queue.settle(delivery, error, now=timezone.now())
    return error
