"""`manage.py alerts`: check a recording against the alert rules; export and import rules as YAML."""

from __future__ import annotations

import io
import json
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from monitor.alerts import rules_import, rules_yaml
from monitor.alerts.rules_yaml import BadFile
from monitor.models import AlertRule
from monitor.rules.evaluation import Evaluation, Event
from monitor.rules.rule import Rule
from monitor.rules.sentences import lasted, lasted_seconds
from monitor.rules.validation import BadRule
from monitor.runtime.runtime import Runtime
from monitor.sanitize import visible
from monitor.telemetry import recording
from monitor.telemetry.recorded_snapshots import snapshots_of
from monitor.telemetry.recording import BadRecording

COULD_NOT = 2
"""Exit status of a failure; 1 means that rules fired."""


class Command(BaseCommand):
    """`check` uses the enabled rules of the database; with a file of rules it needs no database."""

    help = "Check a recording against the alert rules; export and import rules as YAML."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="check | export | import")
        check = commands.add_parser(
            "check",
            help="print the alerts that a recording would have caused",
            description="Evaluate the rules on a recording and print each alert that fires or resolves, with the recording's "
            "times. Exit status: 0 if nothing fired, 1 if something fired, 2 on failure.",
        )
        check.add_argument(
            "file", metavar="FILE", help="a recording (python -m monitor.telemetry --stream --record FILE)"
        )
        check.add_argument("--rules", metavar="YAML", help="use the rules of this file instead of the database's")
        check.add_argument(
            "--tag",
            action="append",
            default=[],
            metavar="TAG",
            help="a tag of the recorded host, for rules that select hosts by tag; can be given several times",
        )
        check.add_argument("--json", action="store_true", help="print one JSON object per line, with Unix times")
        export = commands.add_parser("export", help="write all rules as YAML")
        export.add_argument("file", metavar="FILE", nargs="?", help="default: standard output, as for -")
        take = commands.add_parser("import", help="add and change rules from a YAML file, all or none")
        take.add_argument("file", metavar="FILE", help="- is standard input")
        take.add_argument("--dry-run", action="store_true", help="only print what would change")
        take.add_argument("--replace", action="store_true", help="delete the rules that are not in the file")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Exit status 2 with the reason if it fails."""
        self._runtime = Runtime(settings.GPU_MONITOR)
        do = {"check": self._check, "export": self._export, "import": self._import}[options["command"]]
        try:
            do(options)
        except BadFile as error:
            problems = "\n".join(f"  {visible(problem)}" for problem in error.problems)
            raise CommandError(
                f"{options.get('rules') or options['file']}:\n{problems}", returncode=COULD_NOT
            ) from error
        except BadRecording as error:
            raise CommandError(f"{error.reason} {error.fix}", returncode=COULD_NOT) from error
        except OSError as error:
            where = "" if error.filename is None else f"{error.filename}: "
            raise CommandError(f"{where}{error.strerror}", returncode=COULD_NOT) from error
        except UnicodeDecodeError as error:
            raise CommandError(
                f"{options.get('rules') or options['file']}: not UTF-8 text ({error})", returncode=COULD_NOT
            ) from error
        except DatabaseError as error:
            raise CommandError(f"the database is not responding: {error}", returncode=COULD_NOT) from error

    def _check(self, options: dict[str, Any]) -> None:
        path = Path(options["file"])
        rules = self._rules_of_file(options["rules"]) if options["rules"] else self._rules_of_database()
        if not rules:
            raise CommandError("there are no rules to check", returncode=COULD_NOT)
        header, readings = recording.read_file(recording.open_file(path), name=str(path))
        evaluation = Evaluation()
        evaluation.tags = tuple(options["tag"])
        evaluation.set_rules(rules)
        count = fired = 0
        for snapshot in snapshots_of(header, readings):
            count += 1
            for event in evaluation.take(snapshot):
                fired += event.resolved_at is None
                self.stdout.write(json.dumps(as_json(event)) if options["json"] else line_of(event))
        if not options["json"]:
            self.stdout.write(
                f"{count} readings, {len(rules)} rules: {fired} fired, {len(evaluation.open)} still firing at the end"
            )
        if fired:
            sys.exit(1)

    def _rules_of_database(self) -> list[Rule]:
        self._runtime.settings.look()
        found = []
        for row in AlertRule.objects.filter(is_enabled=True).prefetch_related("gpus"):
            try:
                found.append(self._runtime.make_rule(row.given()))
            except BadRule as error:
                raise CommandError(f"the rule “{row.name}” is invalid: {error}", returncode=COULD_NOT) from error
        return found

    def _rules_of_file(self, path: str) -> list[Rule]:
        make_rule = self._runtime.make_rule
        entries = rules_yaml.read(_text_of(path))
        # Not in the database, so they have no IDs of their own.
        return [
            make_rule({**entry.given(), "id": number})
            for number, entry in enumerate(entries, 1)
            if entry.row.is_enabled
        ]

    def _export(self, options: dict[str, Any]) -> None:
        text = rules_yaml.written(rules_import.entries())
        if options["file"] in (None, "-"):
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(encoding="utf-8")  # it is a file for `import`, whatever the locale
            self.stdout.write(text, ending="")
        else:
            Path(options["file"]).write_text(text, encoding="utf-8")

    def _import(self, options: dict[str, Any]) -> None:
        self._runtime.settings.look()
        entries = rules_yaml.read(_text_of(options["file"]))
        plan = rules_import.take(entries, replace=options["replace"], is_trial=options["dry_run"])
        would = "would be " if options["dry_run"] else ""
        for what, names in (("added", plan.added), ("changed", plan.changed), ("deleted", plan.deleted)):
            for name in names:
                self.stdout.write(f"{would}{what}: {visible(name)}")
        self.stdout.write(f"unchanged: {len(plan.unchanged)}")


def line_of(event: Event) -> str:
    """An event for people: time, state, severity, rule, and what is wrong with which GPU, or why it resolved."""
    at = event.fired_at if event.resolved_at is None else event.resolved_at
    time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    what = "fired" if event.resolved_at is None else "resolved"
    text = f"{event.rule}: {event.summary}{_how_it_ended(event)}"
    return f"{time}  {what:<8}  {event.severity:<8}  {visible(text)}"


def _how_it_ended(event: Event) -> str:
    if event.resolved_at is None:
        return ""
    is_known = lasted_seconds(event) is not None
    after = "; after an unknown time, because the clock was set back"
    if is_known:  # most kinds say it in the summary
        after = "" if lasted(event) in event.summary else f"; after {lasted(event)}"
    return f"{after}: {event.resolved_because}"


def as_json(event: Event) -> dict[str, Any]:
    """An event for programs: the Alert of the schema, with what happened, when, and how long the alert lasted."""
    is_over = event.resolved_at is not None
    return {
        "time": event.resolved_at if is_over else event.fired_at,
        **msgspec.to_builtins(event.alert()),
        "state": "resolved" if is_over else "fired",
        "lasted_seconds": lasted_seconds(event),
    }


def _text_of(path: str) -> str:
    return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
