"""The published JSON Schema: everything the server sends is valid, and the schema names every field of it."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from monitor.web.api.json_schema import json_schema
from tests.support.published_schema import check
from tests.support.servers import ROOT, Server
from tests.support.sockets import connect

BOTH = pytest.mark.parametrize("of", ["gpu_server", "bare_server"])


@pytest.fixture
def server(of: str, request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(of)
    return found


def test_document_is_a_valid_schema_whose_root_is_the_snapshot() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$ref"] == "#/$defs/Snapshot"


def test_every_field_is_required_and_has_its_docstring() -> None:
    definitions = json_schema()["$defs"]
    for definition in definitions.values():
        assert set(definition.get("required", ())) == set(definition.get("properties", ()))
    assert "NVML" in definitions["Gpu"]["properties"]["power_watts"]["description"]


@pytest.mark.parametrize("name", ["Health", "PageMessage"])
def test_api_documentation_names_every_field_it_describes(name: str) -> None:
    document = (ROOT / "docs/api.md").read_text()
    assert {field for field in json_schema()["$defs"][name]["properties"] if f"`{field}`" not in document} == set()


@pytest.mark.slow
@BOTH
def test_server_publishes_the_schema(server: Server) -> None:
    assert server.json("/api/schema") == json.loads(json.dumps(json_schema()))


@pytest.mark.slow
@BOTH
def test_snapshots_are_valid_over_http_and_over_the_feed(server: Server) -> None:
    published = server.json("/api/schema")
    check(server.json("/api/snapshot"), published)
    with connect(f"{server.ws}/ws/gpu") as client:
        for _ in range(2):
            check(json.loads(client.recv(timeout=40)), published)


@pytest.mark.slow
@BOTH
def test_dashboard_messages_are_valid(server: Server) -> None:
    published = server.json("/api/schema")
    with connect(f"{server.ws}/ws/dashboard", origin=server.url) as client:
        messages = [json.loads(client.recv(timeout=40)) for _ in range(2)]
    assert [message["kind"] for message in messages] == ["full", "delta"]
    for message in messages:
        check(message, published, "PageMessage")


@pytest.mark.slow
@BOTH
def test_health_is_valid(server: Server) -> None:
    check(server.health(), server.json("/api/schema"), "Health")


@pytest.mark.slow
def test_single_gpu_is_valid(gpu_server: Server) -> None:
    check(gpu_server.json("/api/snapshot?gpu=2"), gpu_server.json("/api/schema"), "Gpu")


@pytest.mark.slow
def test_schema_rejects_an_invalid_snapshot(gpu_server: Server) -> None:
    snapshot = gpu_server.json("/api/snapshot")
    snapshot["gpus"][0]["utilization_percent"] = 101
    assert not Draft202012Validator(json_schema()).is_valid(snapshot)
