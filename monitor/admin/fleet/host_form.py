"""The form of a host: its name, its tags, and whether it is expected."""

from __future__ import annotations

import socket
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from monitor.models import FleetHost
from monitor.sanitize import plain

State = FleetHost.State
MOST_TAGS, LONGEST_TAG = 20, 40
_EXPECTED = (State.ACTIVE, State.MAY_BE_OFF, State.RETIRED, State.REVOKED)
CHOICES = {State.PENDING: (State.PENDING, State.ACTIVE, State.RETIRED, State.REVOKED), State.REVOKED: (State.REVOKED,)}
"""By the present state: a revoked host becomes active by joining again."""


class HostForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Tags are separated by commas."""

    tags = forms.CharField(
        required=False,
        max_length=MOST_TAGS * (LONGEST_TAG + 2),
        help_text="Separated by commas, such as lab, h100.",
    )

    class Meta:
        model = FleetHost
        fields = ("name", "tags", "state")
        help_texts: ClassVar = {
            "state": "“May be off” is for a host that is switched off at times. A retired host cannot connect until it is active "
            "again; a revoked one needs a new code. A host that waits becomes another host beside the first if it is set to active."
        }

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.initial["tags"] = ", ".join(self.instance.tags)
        present = State(self.instance.state)
        field = self.fields["state"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [(each.value, each.label) for each in CHOICES.get(present, _EXPECTED)]

    def clean_name(self) -> str:
        """Not that of the hub, whose readings an address with it shows."""
        name: str = self.cleaned_data["name"]
        if name == plain(socket.gethostname()):
            raise ValidationError("This is the name of the hub itself.")
        return name

    def clean_tags(self) -> list[str]:
        """Words without repetitions, in the given order."""
        tags = list(dict.fromkeys(tag.strip() for tag in self.cleaned_data["tags"].split(",") if tag.strip()))
        if len(tags) > MOST_TAGS:
            raise ValidationError(f"At most {MOST_TAGS} tags; these are {len(tags)}.")
        if long := [tag for tag in tags if len(tag) > LONGEST_TAG]:
            raise ValidationError(f"A tag has at most {LONGEST_TAG} characters; {long[0]!r} has {len(long[0])}.")
        return tags

    def clean(self) -> dict[str, Any]:
        """A host that no longer waits has no problem with another host."""
        cleaned = super().clean() or {}
        if self.instance.state == State.PENDING and cleaned.get("state") not in (State.PENDING, None):
            self.instance.replaces, self.instance.problem = None, ""
        return cleaned


class NewCodeForm(forms.Form):
    """What a host that joins is called."""

    name = forms.CharField(
        required=False,
        max_length=100,
        help_text="What the host is called here; empty: its own name, or what --name says.",
    )
