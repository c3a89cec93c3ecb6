"""docker-compose.yml, with and without its overrides, and those of the agent and of a fleet, as Docker Compose reads them."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config.database_url import parse
from monitor.config.redis_url import check, password_of
from tests.deploy.checkers import checker
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow


def config(*files: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`docker compose config`, which has ended."""
    given = [part for file in files for part in ("-f", str(ROOT / file))]
    return subprocess.run(
        [checker("docker-compose"), *given, "--env-file", "/dev/null", "config", "--format", "json"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def composed(*files: str, **variables: str) -> Any:
    """The effective configuration."""
    ended = config(*files, **variables)
    assert ended.returncode == 0, ended.stderr
    assert "level=warning" not in ended.stderr
    return json.loads(ended.stdout)


def refusal(*files: str) -> str:
    """Why there is none without further variables."""
    ended = config(*files)
    assert ended.returncode != 0
    return ended.stderr


def ports(service: Any) -> list[tuple[str, str, int]]:
    return [(port["host_ip"], port["published"], port["target"]) for port in service["ports"]]


def test_api_on_5000_and_dashboard_on_3000_are_published_on_loopback_only() -> None:
    services = composed("docker-compose.yml")["services"]
    assert ports(services["app"]) == [("127.0.0.1", "5000", 5000)]
    assert ports(services["nginx"]) == [("127.0.0.1", "3000", 3000)]


def test_one_variable_publishes_the_dashboard_but_not_the_unencrypted_port_behind_it() -> None:
    services = composed("docker-compose.yml", GPUMON_PUBLISH="0.0.0.0")["services"]
    assert ports(services["nginx"]) == [("0.0.0.0", "3000", 3000)]
    assert ports(services["app"]) == [("127.0.0.1", "5000", 5000)]


def test_app_reserves_all_gpus_read_only_and_shares_the_host_pid_namespace() -> None:
    app = composed("docker-compose.yml")["services"]["app"]
    (device,) = app["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["count"], device["capabilities"]) == ("nvidia", -1, ["utility"])
    assert app["pid"] == "host"


def test_demo_needs_no_gpu_and_shares_nothing_with_the_host() -> None:
    app = composed("docker-compose.yml", "docker-compose.demo.yml")["services"]["app"]
    assert "reservations" not in app["deploy"]["resources"]
    assert "pid" not in app
    assert app["environment"]["GPU_MONITOR_TELEMETRY_PROVIDER"] == "simulated"


def test_postgresql_is_reached_by_the_app_alone_and_its_password_is_required() -> None:
    files = ("docker-compose.yml", "docker-compose.postgresql.yml")
    services = composed(*files, GPUMON_DATABASE_PASSWORD="between-the-two")["services"]
    assert "ports" not in services["database"]
    url = services["app"]["environment"]["GPU_MONITOR_DATABASE_URL"]
    assert parse(url)[:5] == ("database", 5432, "gpumon", "gpumon", "between-the-two")
    assert services["database"]["environment"]["POSTGRES_PASSWORD"] == "between-the-two"
    assert services["app"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert "GPUMON_DATABASE_PASSWORD" in refusal(*files)


def test_agent_reads_like_the_server_but_listens_nowhere_and_has_its_own_data() -> None:
    whole = composed("docker-compose.agent.yml", GPU_MONITOR_HUB="https://gpus.example.org")
    agent = whole["services"]["agent"]
    app = composed("docker-compose.yml")["services"]["app"]
    for same in ("image", "pid", "read_only", "cap_drop", "security_opt", "oom_score_adj"):
        assert agent[same] == app[same]
    assert agent["deploy"]["resources"]["reservations"] == app["deploy"]["resources"]["reservations"]
    assert "ports" not in agent
    assert agent["healthcheck"] == {"disable": True}
    assert whole["name"] != composed("docker-compose.yml")["name"]
    assert [(mount["source"], mount["target"]) for mount in agent["volumes"]] == [("data", "/data")]


def test_agents_hub_is_required_and_its_code_is_a_secret_file() -> None:
    whole = composed("docker-compose.agent.yml", GPU_MONITOR_HUB="https://gpus.example.org")
    environment = whole["services"]["agent"]["environment"]
    (secret,) = whole["services"]["agent"]["secrets"]
    assert environment["GPU_MONITOR_HUB"] == "https://gpus.example.org"
    assert environment["GPU_MONITOR_HUB_CODE_FILE"] == secret.get("target", f"/run/secrets/{secret['source']}")
    assert whole["secrets"][secret["source"]]["file"] == str(ROOT / "secrets/hub-code")
    assert "GPU_MONITOR_HUB" in refusal("docker-compose.agent.yml")


MONITORING = ("docker-compose.yml", "docker-compose.monitoring.yml")


def test_prometheus_reaches_gpumon_by_the_name_in_its_configuration() -> None:
    whole = composed(*MONITORING, GPUMON_GRAFANA_PASSWORD="for-grafana", GPU_MONITOR_ALLOWED_HOSTS="gpu01")
    services = whole["services"]
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    ((target,),) = (config["targets"] for config in job["static_configs"])
    name, port = target.split(":")
    assert name in services["app"]["networks"]["metrics"]["aliases"]
    assert port == services["app"]["environment"]["GPU_MONITOR_PORT"]
    assert services["app"]["environment"]["GPU_MONITOR_ALLOWED_HOSTS"].split(",") == ["gpu01", name]
    assert "metrics" in services["prometheus"]["networks"]
    assert "metrics" not in services["nginx"]["networks"]
    (secret,) = services["prometheus"]["secrets"]
    assert secret["target"] == f"/etc/prometheus/{job['authorization']['credentials_file']}"


def test_prometheus_and_grafana_are_open_to_this_host_only_and_grafana_needs_a_password() -> None:
    services = composed(*MONITORING, GPUMON_GRAFANA_PASSWORD="for-grafana", GPUMON_PUBLISH="0.0.0.0")["services"]
    assert ports(services["prometheus"]) == [("127.0.0.1", "9090", 9090)]
    assert ports(services["grafana"]) == [("127.0.0.1", "3001", 3000)]
    assert services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == "for-grafana"
    assert "GPUMON_GRAFANA_PASSWORD" in refusal(*MONITORING)


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    grafana = composed(*MONITORING, GPUMON_GRAFANA_PASSWORD="for-grafana")["services"]["grafana"]
    mounts = {volume["source"]: volume["target"] for volume in grafana["volumes"]}
    dashboard = Path(mounts[str(ROOT / "deploy/grafana/gpumon.json")])
    assert mounts[str(ROOT / "deploy/grafana/provisioning")] == "/etc/grafana/provisioning"
    (provider,) = provisioned("dashboards/gpumon.yml")["providers"]
    assert provider["options"]["path"] == str(dashboard.parent)
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    scraping = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]


def provisioned(path: str) -> Any:
    return yaml.safe_load((ROOT / "deploy/grafana/provisioning" / path).read_text())


def test_demo_without_login_stores_its_data_separately() -> None:
    apps = [composed("docker-compose.yml", *demo)["services"]["app"] for demo in ((), ("docker-compose.demo.yml",))]
    assert [app["environment"].get("GPU_MONITOR_AUTH") for app in apps] == [None, "none"]
    assert [app["environment"]["GPU_MONITOR_DATA_DIR"] for app in apps] == ["/data", "/data/demo"]


def test_database_is_in_a_named_volume_that_nginx_does_not_mount() -> None:
    whole = composed("docker-compose.yml")
    mounts = {
        name: {volume["source"]: volume["target"] for volume in service["volumes"] if volume["type"] == "volume"}
        for name, service in whole["services"].items()
    }
    assert mounts == {"app": {"data": "/data", "static": "/var/cache/gpumon"}, "nginx": {"static": "/var/cache/gpumon"}}
    assert set(whole["volumes"]) == {"data", "static"}


def test_nginx_is_trusted_by_its_fixed_address() -> None:
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


@pytest.mark.parametrize("name", ["app", "nginx", "prometheus", "grafana"])
def test_containers_write_only_to_their_volumes_and_gain_no_privileges(name: str) -> None:
    service = composed(*MONITORING, GPUMON_GRAFANA_PASSWORD="for-grafana")["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_each_mounted_file_exists() -> None:
    for service in composed(*MONITORING, GPUMON_GRAFANA_PASSWORD="for-grafana")["services"].values():
        for volume in service["volumes"]:
            assert volume["type"] != "bind" or Path(volume["source"]).exists()


FLEET = "docker-compose.fleet.yml"
SECRETS = {
    "GPU_MONITOR_SECRET_KEY": "k" * 40,
    "GPUMON_DATABASE_PASSWORD": "for-the-database",
    "GPUMON_REDIS_PASSWORD": "for-redis",
}


def test_processes_of_a_fleet_share_database_redis_and_key_but_no_folder() -> None:
    whole = composed(FLEET, **SECRETS)
    names = ("hub-1", "hub-2", "engine-1", "engine-2")
    processes = [whole["services"][name] for name in names]
    for name in ("GPU_MONITOR_DATABASE_URL", "GPU_MONITOR_REDIS_URL", "GPU_MONITOR_SECRET_KEY"):
        assert len({each["environment"][name] for each in processes}) == 1
    url = processes[0]["environment"]["GPU_MONITOR_REDIS_URL"]
    check(url)
    assert password_of(url) == "for-redis"
    folders = [volume["source"] for each in processes for volume in each["volumes"] if volume["target"] == "/data"]
    assert len(set(folders)) == len(names)
    assert [each["command"] for each in processes[2:]] == [["python", "manage.py", "engine"]] * 2
    assert whole["services"]["redis"]["environment"]["PASSWORD"] == "for-redis"
    for name in SECRETS:
        assert name in config_refusal(name)


def config_refusal(without: str) -> str:
    """Why there is no configuration without this variable."""
    ended = config(FLEET, **{name: value for name, value in SECRETS.items() if name != without})
    assert ended.returncode != 0
    return ended.stderr


def test_only_nginx_of_a_fleet_is_published_and_reaches_both_servers_by_trusted_addresses() -> None:
    whole = composed(FLEET, **SECRETS)
    services = whole["services"]
    assert {name: ports(each) for name, each in services.items() if each.get("ports")} == {
        "nginx": [("127.0.0.1", "3000", 3000)]
    }
    upstream = (ROOT / "deploy/nginx/docker/gpumon-fleet-upstream.conf").read_text()
    (subnet,) = whole["networks"]["behind-nginx"]["ipam"]["config"]
    for name in ("hub-1", "hub-2"):
        network = services[name]["networks"]["behind-nginx"]
        assert f"server {network['aliases'][0]}:5000;" in upstream
        assert ipaddress.ip_address(network["ipv4_address"]) in ipaddress.ip_network(subnet["subnet"])
        trusted = services[name]["environment"]["GPU_MONITOR_TRUSTED_PROXIES"]
        assert trusted == services["nginx"]["networks"]["behind-nginx"]["ipv4_address"]
    for name in (*services.keys() - {"database"},):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
