"""The snippets in docs/home-pages.md work on a real answer of the API, and show unknown and stale values as such."""

from __future__ import annotations

import copy
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.support.servers import Server

pytestmark = pytest.mark.slow

TEXT = (Path(__file__).parents[2] / "docs" / "home-pages.md").read_text()
BLOCKS = [textwrap.dedent(block).strip("\n") for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", TEXT, re.MULTILINE)]
OURS = "https://gpu.example.com"


class Loader(yaml.SafeLoader):
    """Knows `!secret`, as Home Assistant does."""


Loader.add_constructor("!secret", lambda loader, node: f"secret {loader.construct_scalar(node)}")


def block(beginning: str) -> str:
    (found,) = (each for each in BLOCKS if each.startswith(beginning))
    return found


@pytest.fixture(scope="module")
def snapshot(gpu_server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = gpu_server.json("/api/snapshot")
    return answer


def changed(snapshot: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy in which the value at this path (totals.power_watts, gpus.0.uuid) is another one."""
    answer = copy.deepcopy(snapshot)
    *parents, name = path.split(".")
    place: Any = answer
    for each in parents:
        place = place[int(each)] if each.isdigit() else place[each]
    place[name] = value
    return answer


def path_of(address: str) -> str:
    assert address.startswith(f"{OURS}/"), address
    return address.removeprefix(OURS)


# ── All of them ───────────────────────────────────────────────────────────────────────────────────────────────────────


def addresses_in(value: Any) -> list[str]:
    """Every address in a YAML document."""
    if isinstance(value, (dict, list)):
        return [
            found for each in (value.values() if isinstance(value, dict) else value) for found in addresses_in(each)
        ]
    return [value] if isinstance(value, str) and "://" in value else []


def test_every_address_in_the_yaml_answers(gpu_server: Server) -> None:
    documents = [yaml.load(each, Loader) for each in BLOCKS if re.match(r"(?:- )?\w+:(?:\s|$)", each)]
    addresses = [address for document in documents for address in addresses_in(document)]
    assert addresses.count(f"{OURS}/?kiosk=1") == TEXT.count("type: iframe") == 2
    for address in set(addresses):
        assert gpu_server.get(path_of(address))[0] in (200, 409), address  # 409: /api/free, while no GPU is free


# ── Homepage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


HOMEPAGE = yaml.load(block("- GPUs:"), Loader)[0]["GPUs"][0]["gpumon"]


def shown_by_homepage(mapping: dict[str, Any], data: Any) -> str:
    """As in its src/widgets/customapi: the value at a path of dots, remapped, formatted, with its suffix."""
    value = data
    for part in mapping["field"].split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    for each in mapping.get("remap", ()):
        if value is each["value"] or (type(value) is type(each["value"]) and value == each["value"]):
            value = each["to"]
            break
    if mapping.get("format") == "number":  # parseInt
        value = "NaN" if value is None else int(value)
    return f"{value} {mapping['suffix']}" if "suffix" in mapping else f"{value}"


def test_homepage_shows_the_values(snapshot: dict[str, Any]) -> None:
    totals, gpu = snapshot["totals"], snapshot["gpus"][0]
    assert [shown_by_homepage(each, snapshot) for each in HOMEPAGE["widget"]["mappings"]] == [
        "current",
        f"{int(totals['utilization_percent'])} %",
        f"{int(totals['power_watts'])} W",
        f"{int(gpu['memory_used_percent'])} %",
        f"{int(totals['hottest_temperature_celsius'])} °C",
    ]


def test_homepage_shows_no_unknown_or_stale_value_as_a_number(snapshot: dict[str, Any]) -> None:
    stale, *others = HOMEPAGE["widget"]["mappings"]
    assert shown_by_homepage(stale, changed(snapshot, "stale", True)) == "stale"
    for mapping in others:
        assert shown_by_homepage(mapping, changed(snapshot, mapping["field"], None)).startswith("NaN ")
        assert not {"scale", "additionalField"} & set(mapping)


def test_homepage_sends_a_token() -> None:
    assert HOMEPAGE["widget"]["headers"] == {"Authorization": "Bearer {{HOMEPAGE_VAR_GPUMON_TOKEN}}"}


# ── Home Assistant ────────────────────────────────────────────────────────────────────────────────────────────────────

HOME_ASSISTANT = yaml.load(block("rest:"), Loader)["rest"]


JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
"""As in Home Assistant, which also refuses what is undefined."""


def rendered(template: str, answer: Any) -> str:
    return JINJA.from_string(template).render(value_json=answer)


def is_available(sensor: dict[str, Any], answer: Any) -> bool:
    verdict = rendered(sensor["availability"], answer)
    assert verdict in ("True", "False")
    return verdict == "True"


SENSORS = [
    (of_resource["resource"], sensor)
    for of_resource in HOME_ASSISTANT
    for sensor in (*of_resource.get("sensor", ()), *of_resource.get("binary_sensor", ()))
]


def test_home_assistant_reads_a_value_for_each_sensor(gpu_server: Server, snapshot: dict[str, Any]) -> None:
    assert len({sensor["unique_id"] for _, sensor in SENSORS}) == len(SENSORS)
    values = {}
    for address, sensor in SENSORS:
        answer = snapshot if address.endswith("/api/snapshot") else gpu_server.json(path_of(address))
        assert is_available(sensor, answer), sensor
        values[sensor["name"]] = rendered(sensor["value_template"], answer)
    assert values == {
        "GPU utilization": str(snapshot["totals"]["utilization_percent"]),
        "GPU power": str(snapshot["totals"]["power_watts"]),
        "GPU 0 temperature": str(snapshot["gpus"][0]["temperature_celsius"]),
        "GPU alert": str(snapshot["alerts"] != []),
        "Free GPUs": values["Free GPUs"],
    }
    assert int(values["Free GPUs"]) in range(4)


@pytest.mark.parametrize(("address", "sensor"), SENSORS, ids=lambda given: str(given)[-20:])
def test_home_assistant_shows_no_unknown_or_stale_value(
    snapshot: dict[str, Any], address: str, sensor: dict[str, Any]
) -> None:
    assert not is_available(sensor, {"error": "No reading yet. Retry in a second."})
    if address.endswith("/api/snapshot"):
        assert not is_available(sensor, changed(snapshot, "stale", True))
        path = re.sub(r"\[(\d)\]", r".\1", sensor["value_template"].strip("{} ").removeprefix("value_json."))
        if "alerts" not in path:
            assert not is_available(sensor, changed(snapshot, path, None))


# ── Badges ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_badges_are_images(gpu_server: Server) -> None:
    addresses = re.findall(r"\]\((https://[^)]+\.svg)\)", block("![free GPUs]"))
    assert len(addresses) == 2
    for address in addresses:
        answer = requests.get(gpu_server.url + path_of(address), timeout=40)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
