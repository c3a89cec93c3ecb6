"""docker-compose.yml, alone and with the demo's overrides, as Docker Compose reads them."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.checkers import checker
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow


def composed(*files: str, **variables: str) -> Any:
    """The effective configuration, by `docker compose config`."""
    given = [part for file in files for part in ("-f", str(ROOT / file))]
    ended = subprocess.run(
        [checker("docker-compose"), *given, "--env-file", "/dev/null", "config", "--format", "json"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "level=warning" not in ended.stderr
    return json.loads(ended.stdout)


def ports(service: Any) -> list[tuple[str, str, int]]:
    return [(port["host_ip"], port["published"], port["target"]) for port in service["ports"]]


def test_the_api_is_on_5000_and_the_dashboard_on_3000_for_this_machine_alone() -> None:
    services = composed("docker-compose.yml")["services"]
    assert ports(services["app"]) == [("127.0.0.1", "5000", 5000)]
    assert ports(services["nginx"]) == [("127.0.0.1", "3000", 3000)]


def test_one_variable_opens_it_to_others() -> None:
    services = composed("docker-compose.yml", GPUMON_PUBLISH="0.0.0.0")["services"]
    assert {port[0] for service in services.values() for port in ports(service)} == {"0.0.0.0"}


def test_all_gpus_are_reserved_to_look_at_and_the_hosts_processes_are_seen() -> None:
    app = composed("docker-compose.yml")["services"]["app"]
    (device,) = app["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["count"], device["capabilities"]) == ("nvidia", -1, ["utility"])
    assert app["pid"] == "host"


def test_the_demo_needs_no_gpu_and_sees_nothing_of_the_host() -> None:
    app = composed("docker-compose.yml", "docker-compose.demo.yml")["services"]["app"]
    assert "reservations" not in app["deploy"]["resources"]
    assert "pid" not in app
    assert app["environment"]["GPU_MONITOR_TELEMETRY_PROVIDER"] == "simulated"


def test_the_demo_which_needs_no_login_keeps_its_data_apart_from_those_of_real_gpus() -> None:
    apps = [composed("docker-compose.yml", *demo)["services"]["app"] for demo in ((), ("docker-compose.demo.yml",))]
    assert [app["environment"].get("GPU_MONITOR_AUTH") for app in apps] == [None, "none"]
    assert [app["environment"]["GPU_MONITOR_DATA_DIR"] for app in apps] == ["/data", "/data/demo"]


def test_the_database_is_kept_in_a_named_volume_that_nginx_does_not_see() -> None:
    whole = composed("docker-compose.yml")
    mounts = {
        name: {volume["source"]: volume["target"] for volume in service["volumes"] if volume["type"] == "volume"}
        for name, service in whole["services"].items()
    }
    assert mounts == {"app": {"data": "/data", "static": "/var/cache/gpumon"}, "nginx": {"static": "/var/cache/gpumon"}}
    assert set(whole["volumes"]) == {"data", "static"}


def test_nginx_is_believed_by_its_fixed_address() -> None:
    whole = composed("docker-compose.yml")
    networks = {name: service["networks"]["behind-nginx"] for name, service in whole["services"].items()}
    trusted = whole["services"]["app"]["environment"]["GPU_MONITOR_TRUSTED_PROXIES"]
    assert networks["nginx"]["ipv4_address"] == trusted
    (subnet,) = whole["networks"]["behind-nginx"]["ipam"]["config"]
    assert {ipaddress.ip_address(network["ipv4_address"]) for network in networks.values()} <= set(
        ipaddress.ip_network(subnet["subnet"]).hosts()
    )
    upstream = (ROOT / "deploy/nginx/docker/gpumon-upstream.conf").read_text()
    assert f"server {networks['app']['aliases'][0]}:5000;" in upstream


@pytest.mark.parametrize("name", ["app", "nginx"])
def test_a_container_can_write_nothing_but_its_volumes_and_gains_no_rights(name: str) -> None:
    service = composed("docker-compose.yml")["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_each_file_that_is_mounted_is_there() -> None:
    for service in composed("docker-compose.yml")["services"].values():
        for volume in service["volumes"]:
            assert volume["type"] != "bind" or Path(volume["source"]).exists()
