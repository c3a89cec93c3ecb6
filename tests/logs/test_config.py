"""The log of a real server: one format, one line per record, and the id of each request."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from monitor.logs.config import logging_config, without_traceback_of_refusals
from monitor.logs.lines import TextLines
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect


@pytest.mark.parametrize(
    ("logger", "level", "is_shown"),
    [
        ("django.security.DisallowedHost", logging.ERROR, False),
        ("django.request", logging.WARNING, False),
        ("django.request", logging.ERROR, True),
        ("monitor.telemetry.sampler.supervisor", logging.WARNING, True),
    ],
)
def test_refused_request_is_logged_without_a_traceback_and_a_server_error_with_one(
    logger: str, level: int, is_shown: bool
) -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        told = logging.LogRecord(logger, level, __file__, 1, "it went wrong", (), sys.exc_info())
    assert without_traceback_of_refusals(told)
    assert ("ValueError: bad" in TextLines().format(told)) == is_shown


def test_servers_log_through_our_handler() -> None:
    loggers = logging_config("json", "INFO", ())["loggers"]
    for name in ("uvicorn", "gunicorn.error"):
        assert loggers[name] | {"level": ""} == {"handlers": ["console"], "propagate": False, "level": ""}


def records(server: Server) -> list[dict[str, object]]:
    """All log records, without the lines on standard output: our startup line and the access log of the `daphne`
    command.
    """
    lines = server.log.splitlines()
    return [json.loads(line) for line in lines if not line.startswith(("gpumon", "127.0.0.1:", "None "))]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(None, id="serve"),
        pytest.param(["-m", "daphne", "-p", "{port}", "gpumon_site.asgi:application"], id="daphne"),
        pytest.param(["-m", "gunicorn", "-c", "deploy/gunicorn/gunicorn.conf.py"], id="gunicorn"),
    ],
)
def test_every_record_of_a_server_is_json_and_request_records_have_the_request_id(
    tmp_path: Path, command: list[str] | None
) -> None:
    (tmp_path / "garbage.jsonl").write_text("nothing to play")  # the sampler logs that it skips the file
    server = Server(
        tmp_path,
        {"GPU_MONITOR_SECRET_KEY": "k" * 40},
        command=None if command is None else [sys.executable, *command],
        telemetry_provider="replay",
        replay_file=tmp_path / "garbage.jsonl",
        log_format="json",
        log_level="DEBUG",
        access_log="true",
        auth="none",
    ).start()
    try:
        hostile = "/nothing\r\nforged?token=hunter2".replace("\r\n", "%0d%0a")
        found = requests.get(server.url + hostile, headers={"X-Request-ID": "from-proxy.1"}, timeout=40)
        assert (found.status_code, found.headers["X-Request-ID"]) == (404, "from-proxy.1")
        made = requests.get(server.url + "/", headers={"X-Request-ID": "no good: " + "x" * 70}, timeout=40)
        assert re.fullmatch("[0-9a-f]{16}", made.headers["X-Request-ID"])
        with connect(f"{server.ws}/ws/gpu") as feed:
            feed.recv(timeout=40)
        made_id = made.headers["X-Request-ID"]

        def recorded() -> dict[str, Any] | None:
            found = {each["request_id"]: each for each in records(server) if each["logger"] == "gpumon.access"}
            return found if found.keys() >= {"from-proxy.1", made_id} else None

        of_access = wait_for(recorded, "both records")
        assert of_access["from-proxy.1"]["path"] == "/nothing\r\nforged"
        assert of_access["from-proxy.1"]["status"] == 404
        assert of_access[made_id]["method"] == "GET"
    finally:
        server.stop()
    by_logger = {(each["logger"], each.get("request_id")) for each in records(server)}
    assert ("django.request", "from-proxy.1") in by_logger
    assert any(each.get("part") == "sampler" for each in records(server))
    assert "hunter2" not in server.log
    assert "k" * 40 not in server.log
