"""`manage.py link`: create, list and revoke read-only links."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, IntegrityError
from django.utils import timezone

from monitor.access import view_links
from monitor.access.bootstrap_admin import address_of
from monitor.models import ViewLink
from monitor.sanitize import visible

COULD_NOT = 2
LONGEST_NAME = 100
DEFAULT_DAYS = 30


class Command(BaseCommand):
    """Writes to the database, so it works beside a running server, which closes the sockets of a revoked link."""

    help = (
        "Create, list and revoke read-only links: pages without a login, and without users, programs and command lines."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="create | list | revoke")
        create = commands.add_parser("create", help="print the address of a new link")
        create.add_argument("name", type=_name, metavar="NAME", help="what it is for, such as 'wall screen'")
        create.add_argument(
            "--days",
            type=_days,
            default=DEFAULT_DAYS,
            help=f"when it expires: 1 to {view_links.LONGEST_DAYS} days from now (default {DEFAULT_DAYS})",
        )
        commands.add_parser("list", help="list all links, without their addresses")
        revoke = commands.add_parser("revoke", help="end a link, with the pages that are open")
        revoke.add_argument("name", metavar="NAME")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Exit status 2 with the reason if it fails."""
        do = {"create": self._create, "list": self._list, "revoke": self._revoke}[options["command"]]
        try:
            do(options)
        except DatabaseError as error:
            raise CommandError(f"the database is not responding: {error}", returncode=COULD_NOT) from error

    def _create(self, options: dict[str, Any]) -> None:
        """The address alone on standard output, for scripts."""
        name, expires_at = options["name"], timezone.now() + timedelta(days=options["days"])
        try:
            link = view_links.make(name=name, created_by=None, expires_at=expires_at)
        except IntegrityError as error:
            reason = f"there is a link named {visible(name)!r}: revoke it, or choose another name"
            raise CommandError(reason, returncode=COULD_NOT) from error
        self.stdout.write(address_of(settings.GPU_MONITOR, view_links.path_of(link)))
        self.stderr.write(f"It expires on {_shown(expires_at)}. For a wall screen, add ?kiosk=1.")

    def _list(self, _options: dict[str, Any]) -> None:
        now = timezone.now()
        rows = [("NAME", "STATE", "EXPIRES", "LAST USED", "CREATED BY")] + [
            (
                visible(link.name),
                view_links.why_not(link, now) or "valid",
                _shown(link.expires_at),
                _shown(link.last_used_at),
                "—" if link.created_by is None else visible(link.created_by.get_username()),
            )
            for link in ViewLink.objects.select_related("created_by")
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(map(str.ljust, row, widths)).rstrip())

    def _revoke(self, options: dict[str, Any]) -> None:
        link = ViewLink.objects.filter(name=options["name"], revoked_at__isnull=True).first()
        if link is None:
            raise CommandError(
                f"there is no link named {visible(options['name'])!r}: see `link list`", returncode=COULD_NOT
            )
        link.revoked_at = timezone.now()
        link.save(update_fields=["revoked_at"])
        self.stdout.write(f"Revoked: {visible(link.name)}. Open pages close within seconds.")


def _shown(at: datetime | None) -> str:
    return "—" if at is None else f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}"


def _name(text: str) -> str:
    if not 0 < len(text.strip()) <= LONGEST_NAME or not text.isprintable():
        raise ArgumentTypeError(f"must have 1 to {LONGEST_NAME} printable characters")
    return text.strip()


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= view_links.LONGEST_DAYS:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to {view_links.LONGEST_DAYS}")
    return int(text)
