"""The `gpumon` command of an installed wheel: serve, demo, doctor, snapshot, free, wait, agent, engine, usage, link, Django's."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from monitor import interpreter
from monitor.version import __version__

DEMO_POLL_INTERVAL_MS = "200"
DEMO_FOLDER = "demo"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status. Arguments after the subcommand's name belong to the subcommand."""
    interpreter.prepare()
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    parsed = parser.parse_args(given[:1])
    if parsed.command is None:
        parser.print_help()
        return 0
    run: Callable[[list[str]], int] = parsed.run
    return run(given[1:])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpumon",
        description="A real-time dashboard for the GPUs of this host. `gpumon COMMAND --help` describes a command.",
        epilog="Settings are GPU_MONITOR_… variables in the environment or a file .env.",
    )
    parser.add_argument("--version", action="version", version=f"gpumon {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, run, description in (
        ("serve", _serve, "serve the dashboard on GPU_MONITOR_HOST and GPU_MONITOR_PORT (http://127.0.0.1:5000)"),
        ("demo", _demo, "serve simulated GPUs, sampled five times a second, with data of its own"),
        ("admin", _admin, "create an admin account, in the data of the demo if only that is running"),
        ("doctor", _doctor, "list what was found, what was skipped and why, and how to fix it"),
        ("snapshot", _snapshot, "print a reading as JSON, or one per line with --stream; record readings"),
        ("free", _free, "print free GPUs as the value of CUDA_VISIBLE_DEVICES"),
        ("wait", _wait, "start a command when GPUs are free: gpumon wait --count 2 -- python train.py"),
        ("agent", _agent, "send the readings of this host to another gpumon: gpumon agent --hub https://gpus.example.org"),
        ("engine", _engine, "judge and record the hosts of a hub of several processes"),
        ("usage", _usage, "print who used the GPUs: gpumon usage --last 7d"),
        ("link", _link, "create, list and revoke read-only links, for a wall screen or a colleague"),
        ("manage", _manage, "run any other command: createsuperuser, backup, restore, alerts …; `gpumon manage help` lists them"),
    ):  # fmt: skip
        # Without its own -h, because the subcommand has one.
        commands.add_parser(name, help=description, add_help=False).set_defaults(run=run)
    return parser


def manage(arguments: Sequence[str]) -> int:
    """Run Django's command line, which begins with the program's name, and return its exit status."""
    interpreter.prepare()
    return _django(*arguments)


def _django(*arguments: str) -> int:
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpumon_site.settings")

    def command() -> int:
        execute_from_command_line(list(arguments))
        return 0

    return interpreter.run(command)


def _engine(rest: list[str]) -> int:
    return _django("gpumon", "engine", *rest)


def _serve(rest: list[str]) -> int:
    return _django("gpumon", "serve", *rest)


def _demo(rest: list[str]) -> int:
    """Keeps its data in a separate folder, so that simulated alerts do not mix with those of real GPUs."""
    from monitor.config.declarations import PREFIX
    from monitor.config.loading import load_config

    os.environ[f"{PREFIX}DATA_DIR"] = str(load_config().data_dir / DEMO_FOLDER)
    os.environ[f"{PREFIX}DATABASE_URL"] = "sqlite"
    os.environ[f"{PREFIX}TELEMETRY_PROVIDER"] = "simulated"
    os.environ[f"{PREFIX}POLL_INTERVAL_MS"] = DEMO_POLL_INTERVAL_MS
    return _django("gpumon", "demo", *rest)


def _admin(rest: list[str]) -> int:
    """Create an account where it can be used."""
    if not rest and not sys.stdin.isatty():
        # Django creates none either, but ends as if it had.
        raise SystemExit(
            "gpumon: admin asks for a name and a password, which needs a terminal (over SSH: ssh -t). Without one, set "
            "DJANGO_SUPERUSER_PASSWORD and run: gpumon admin --noinput --username NAME --email ADDRESS (in a checkout: "
            ".venv/bin/python -m gpumon_site.cli admin …)"
        )
    _use_running_demo()
    _django("gpumon", "migrate", "--verbosity", "0")
    return _django("gpumon", "createsuperuser", *rest)


def _link(rest: list[str]) -> int:
    _use_running_demo()
    return _django("gpumon", "link", *rest)


def _use_running_demo() -> None:
    """A demo has data of its own: use them if only that is running."""
    from monitor.config.declarations import PREFIX
    from monitor.config.loading import load_config
    from monitor.server.data_lock import is_served

    data_dir = load_config().data_dir
    demo = data_dir / DEMO_FOLDER
    if is_served(demo) and not is_served(data_dir):
        print("For the demo that is running:", file=sys.stderr)  # noqa: T201
        os.environ[f"{PREFIX}DATA_DIR"] = str(demo)
        os.environ[f"{PREFIX}DATABASE_URL"] = "sqlite"


def _doctor(rest: list[str]) -> int:
    return _django("gpumon", "doctor", *rest)


def _snapshot(rest: list[str]) -> int:
    from monitor.telemetry import __main__ as telemetry

    return telemetry.main(rest, program="gpumon snapshot")


def _free(rest: list[str]) -> int:
    from monitor.management.free_commands import free

    return interpreter.run(lambda: free(rest))


def _wait(rest: list[str]) -> int:
    from monitor.management.free_commands import wait

    return wait(rest)


def _agent(rest: list[str]) -> int:
    from monitor.management.agent_command import agent

    return agent(rest)


def _usage(rest: list[str]) -> int:
    return _django("gpumon", "usage", *rest)


def _manage(rest: list[str]) -> int:
    return _django("gpumon manage", *(rest or ["help"]))


if __name__ == "__main__":
    sys.exit(main())
