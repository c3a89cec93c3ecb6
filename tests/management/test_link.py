"""`manage.py link`: the address is printed once, names are unique until revoked, and wrong input is explained."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from monitor.access import view_links
from monitor.models import ViewLink

pytestmark = pytest.mark.django_db


def link(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    call_command("link", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_address_is_alone_on_standard_output(settings: Any) -> None:
    config = settings.GPU_MONITOR
    settings.GPU_MONITOR = config.model_copy(
        update={"public_url": "https://gpu.example.com/gpus", "base_path": "/gpus"}
    )
    address, note = link("create", "wall screen", "--days", "7")
    row = ViewLink.objects.get()
    assert address == f"https://gpu.example.com/gpus{view_links.path_of(row)}\n"
    assert f"{timezone.localtime(row.expires_at):%Y-%m-%d %H:%M}" in note
    assert timedelta(days=6.9) < row.expires_at - timezone.now() <= timedelta(days=7)


def test_list_shows_the_state_of_each_and_no_address() -> None:
    link("create", "wall screen")
    link("create", "colleague")
    link("revoke", "colleague")
    listed, _ = link("list")
    assert [line.split("  ")[0] for line in listed.splitlines()] == ["NAME", "colleague", "wall screen"]
    assert [word in listed for word in ("valid", "revoked", "view/")] == [True, True, False]


def test_name_is_free_again_after_revoking() -> None:
    link("create", "wall")
    link("revoke", "wall")
    link("create", "wall")
    assert ViewLink.objects.filter(revoked_at__isnull=True).count() == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("create", "wall", "--days", "0"), "'0' is not a whole number from 1 to 366"),
        (("create", "wall", "--days", "9999"), "'9999' is not a whole number from 1 to 366"),
        (("create", "wall", "--days", "soon"), "'soon' is not a whole number from 1 to 366"),
        (("create", " "), "must have 1 to 100 printable characters"),
        (("create", "a\x1b[2Jb"), "must have 1 to 100 printable characters"),
        (("create", "taken"), "there is a link named 'taken': revoke it, or choose another name"),
        (("revoke", "nothing"), "there is no link named 'nothing': see `link list`"),
    ],
)
def test_wrong_input_is_explained(arguments: tuple[str, ...], reason: str) -> None:
    link("create", "taken")
    with pytest.raises(CommandError) as error:
        link(*arguments)
    assert reason in str(error.value)
