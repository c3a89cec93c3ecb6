"""The `gpumon` command, for those who installed it from a wheel: serve, demo, doctor, snapshot, and all of Django's."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from monitor.version import __version__

DEMO_POLL_INTERVAL_MS = "200"
DEMO_FOLDER = "demo"


def main(given: Sequence[str] | None = None) -> int:
    """The command. What follows the subcommand's name is for that subcommand. Returns the exit status."""
    arguments = list(sys.argv[1:] if given is None else given)
    parser = _parser()
    asked = parser.parse_args(arguments[:1])
    if asked.command is None:
        parser.print_help()
        return 0
    run: Callable[[list[str]], int] = asked.run
    return run(arguments[1:])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpumon",
        description="A real-time dashboard for the GPUs of this machine. `gpumon COMMAND --help` tells more of a command.",
        epilog="Settings are GPU_MONITOR_… variables, of the environment or a file .env.",
    )
    parser.add_argument("--version", action="version", version=f"gpumon {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, run, told in (
        ("serve", _serve, "serve the dashboard on GPU_MONITOR_HOST and GPU_MONITOR_PORT (http://127.0.0.1:5000)"),
        ("demo", _demo, "serve it with simulated GPUs, five readings a second, and data of its own"),
        ("doctor", _doctor, "say what GPUs were found and how, what was passed over, why, and what to do"),
        ("snapshot", _snapshot, "print a reading as JSON, with --stream one a line; record them"),
        ("manage", _manage, "any other command: createsuperuser, backup, restore, alerts …; `gpumon manage help` lists them"),
    ):  # fmt: skip
        # Without -h of its own: the subcommand has one.
        commands.add_parser(name, help=told, add_help=False).set_defaults(run=run)
    return parser


def _django(*arguments: str) -> int:
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpumon_site.settings")
    execute_from_command_line(list(arguments))
    return 0


def _serve(rest: list[str]) -> int:
    return _django("gpumon", "serve", *rest)


def _demo(rest: list[str]) -> int:
    """Its data lie in a folder of their own: simulated alerts have no place among those of real GPUs."""
    from monitor.config.loading import load_config
    from monitor.config.model import PREFIX

    os.environ[f"{PREFIX}DATA_DIR"] = str(load_config().data_dir / DEMO_FOLDER)
    os.environ[f"{PREFIX}TELEMETRY_PROVIDER"] = "simulated"
    os.environ[f"{PREFIX}POLL_INTERVAL_MS"] = DEMO_POLL_INTERVAL_MS
    return _django("gpumon", "serve", *rest)


def _doctor(rest: list[str]) -> int:
    return _django("gpumon", "doctor", *rest)


def _snapshot(rest: list[str]) -> int:
    from monitor.telemetry import __main__ as telemetry

    return telemetry.main(rest, program="gpumon snapshot")


def _manage(rest: list[str]) -> int:
    return _django("gpumon manage", *(rest or ["help"]))


if __name__ == "__main__":
    sys.exit(main())
