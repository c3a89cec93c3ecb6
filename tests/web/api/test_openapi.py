"""The OpenAPI document against the URL configuration, and against the server's responses."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from monitor.web.api.openapi import OPERATIONS, api_addresses, openapi
from tests.support.servers import ROOT, Server, wait_for
from tests.support.site_addresses import addresses

SEED = "20261124"
MOST_EXAMPLES = "15"
"""Per address; the run then takes ten seconds on a quiet machine."""


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [each for value in part.values() for each in references(value)]
    return [each for value in part for each in references(value)] if isinstance(part, list) else []


def test_every_address_of_the_api_is_in_the_document() -> None:
    walked = {address.path for address in addresses() if address.path.startswith("/api/")}
    assert {f"/{route}" for route, _ in api_addresses()} == walked
    assert set(openapi("/")["paths"]) == {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path) for path in walked}
    assert set(OPERATIONS) == {pattern.name for _, pattern in api_addresses()}


def test_document_refers_only_to_itself() -> None:
    document = openapi("/")
    schemas = document["components"]["schemas"]
    assert {each.removeprefix("#/components/schemas/") for each in references(document)} <= set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_operation_has_a_summary_and_its_error_responses() -> None:
    for path, methods in openapi("/")["paths"].items():
        for operation in methods.values():
            assert operation["summary"].endswith("."), path
            assert {"200", "400", "405"} <= set(operation["responses"]), path


@pytest.mark.slow
def test_server_publishes_the_document(gpu_server: Server) -> None:
    published, expected = gpu_server.json("/api/openapi.json"), openapi("/")
    for document in (published, expected):  # each installation has a name of its own
        cookie = document["components"]["securitySchemes"]["session"].pop("name")
        assert re.fullmatch(r"gpumon_session_[0-9a-f]{8}", cookie)
    assert published == expected


@pytest.mark.slow
@pytest.mark.parametrize("query", ["state=nothing", "limit=0&state=all", "since=never&state=all", "colour=red"])
def test_invalid_parameter_is_400_in_json(gpu_server: Server, query: str) -> None:
    status, body = gpu_server.get(f"/api/alerts?{query}")
    assert (status, '{"error":' in body) == (400, True)


TOKEN = """
from django.contrib.auth.models import User
from monitor.access import tokens
owner = User.objects.create_superuser("root", password="correct horse")
print(tokens.make(owner=owner, name="schemathesis", scopes=["read"]).secret)
"""


@pytest.fixture
def closed_server(tmp_path: Path) -> Iterator[Server]:
    """A server where everyone must log in, local viewers too."""
    server = Server(tmp_path, telemetry_provider="simulated", simulated_gpus=3, auth="login").start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        yield server
    finally:
        server.stop()


@pytest.mark.slow
def test_schemathesis_finds_only_responses_that_the_document_describes(closed_server: Server, tmp_path: Path) -> None:
    """No 500, valid responses, 401 without a token, 405 for other methods, 400 for invalid parameters."""
    secret = closed_server.manage("shell", "-c", TOKEN).split()[-1]
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("--config-file", ROOT / "tests/web/api/schemathesis.toml"),
            *("run", f"{closed_server.url}/api/openapi.json"),
            *("--header", f"Authorization: Bearer {secret}"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing"),
            *("--seed", SEED, "--max-examples", MOST_EXAMPLES, "--generation-database", "none", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in closed_server.log
