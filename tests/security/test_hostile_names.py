"""Hostile names of processes, users, GPUs, hosts, rules and channels at every output of the real server and its commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from monitor.sanitize import plain
from tests.support.hostile import NAMES, UNSEEN, fill_database, recording, shown_safely
from tests.support.servers import ROOT, Server, wait_for
from tests.support.site_addresses import addresses
from tests.support.sockets import connect

pytestmark = pytest.mark.slow

SHOWN = [plain(name) for name in NAMES]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    file = recording(folder / "hostile.jsonl")
    server = Server(folder, telemetry_provider="replay", replay_file=file, poll_interval_ms=200).start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        fill_database(server)
        wait_for(lambda: len(server.json("/api/alerts")["alerts"]) == len(NAMES), "the alerts of the rules")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def root(server: Server) -> requests.Session:
    """An administrator who has logged in."""
    visitor = requests.Session()
    login = f"{server.url}/admin/login/"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', visitor.get(login).text)
    assert token is not None
    given = {"username": "root", "password": "correct horse", "csrfmiddlewaretoken": token[1], "next": "/"}
    assert visitor.post(login, given, headers={"Referer": login}).status_code == 200
    return visitor


def ran(server: Server, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a Python command with the server's settings; it can fail."""
    line = [sys.executable, *command]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, env=server.environment)


@pytest.mark.parametrize(
    "path",
    ["/", "/?layout=tiles", "/?sort=command&filter=%3Cscript%3E", "/alerts", "/?kiosk=1", "/alerts?q=%3Cscript%3E"],
)
def test_pages_show_hostile_names_and_run_none(server: Server, root: requests.Session, path: str) -> None:
    page = shown_safely(root.get(server.url + path).text, is_of_people="alerts" in path)
    assert SHOWN[0] in page.text
    assert "{{7*7}}{% debug %}" in page.text


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_gpu_pages_show_hostile_names_and_run_none(server: Server, place: int) -> None:
    uuid = server.json("/api/snapshot")["gpus"][place]["uuid"]
    answer = requests.get(f"{server.url}/gpu/{quote(uuid, safe='')}", timeout=40)
    page = shown_safely(answer.text, is_of_people=True)  # notes of operators
    assert answer.status_code == 404 or SHOWN[place][:200].split("\n")[0] in page.text


@pytest.mark.parametrize(
    "path", ["/gpu/{}", "/nothing/{}", "/?layout={}&sort={}&filter={}", "/alerts?q={}&rule={}&severity={}", "/admin/{}"]
)
@pytest.mark.parametrize("name", [name for name in NAMES if len(name) < 1000])
def test_text_from_the_address_is_shown_and_not_run(
    server: Server, root: requests.Session, path: str, name: str
) -> None:
    shown_safely(root.get(server.url + path.replace("{}", quote(name, safe=""))).text, is_of_people=True)


def test_pages_of_past_alerts_show_hostile_lines_of_the_kernel_log_and_run_none(
    server: Server, root: requests.Session
) -> None:
    """A line names the process that caused an Xid error, and its user chose the name."""
    lists = root.get(f"{server.url}/alerts").text
    paths = sorted(set(re.findall(r'href="(/alerts/[0-9a-f-]{36})"', lists)))
    pages = [shown_safely(root.get(server.url + path).text, is_of_people=True) for path in paths]
    lines = next(found for page in pages if (found := re.findall(r"NVRM: Xid.*", page.text)))
    assert len(lines) == len(NAMES)
    assert f"name={SHOWN[0]}, GPU has fallen off" in lines[0]
    assert not UNSEEN.search("".join(lines))


def test_socket_messages_show_hostile_names_and_run_none(server: Server) -> None:
    uuids = [gpu["uuid"] for gpu in server.json("/api/snapshot")["gpus"]]
    for view in ("cards", "tiles", "alerts", *(f"gpu:{quote(uuid, safe='')}" for uuid in uuids)):
        with connect(f"{server.ws}/ws/dashboard?view={view}", origin=server.url, max_size=None) as socket:
            message = json.loads(socket.recv(timeout=40))
        assert not UNSEEN.search(message["title"])
        page = shown_safely(message["content"])
        values = re.search(r"<hx-set>(.*?)</hx-set>", message["content"], re.DOTALL)
        assert values is not None
        assert "<" not in values[1]
        assert view.startswith("gpu:") or SHOWN[0] in page.text or view == "tiles"


def test_feed_and_api_are_json_of_plain_texts(server: Server) -> None:
    with connect(f"{server.ws}/ws/gpu", max_size=None) as socket:
        fed = json.loads(socket.recv(timeout=40))
    asked = server.json("/api/snapshot")
    assert [gpu["name"] for gpu in fed["gpus"]] == [gpu["name"] for gpu in asked["gpus"]] == SHOWN
    for path in ("/api/snapshot", "/api/health", "/api/alerts", "/api/alerts?state=all", "/api/config"):
        answer = requests.get(server.url + path, timeout=40)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "all" in path or not UNSEEN.search(answer.text)  # the history keeps notes as they were written
        answer.json()


def test_metrics_have_plain_texts_as_label_values(server: Server) -> None:
    text = requests.get(f"{server.url}/metrics?names=own,dcgm,nvidia_smi", timeout=40).text
    assert not UNSEEN.search(text)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(re.fullmatch(r"[A-Za-z_]+[A-Za-z0-9_]*", name) for name in families)
    assert [sample.labels["name"] for sample in families["gpumon_gpu_info"].samples] == SHOWN


def test_admin_pages_show_hostile_names_and_run_none(server: Server, root: requests.Session) -> None:
    """Lists, forms, histories and delete confirmations, of the first rows with hostile names in every table."""
    lists = [address.path for address in addresses() if re.fullmatch(r"/admin/\w+/\w+/", address.path)]
    assert len(lists) > 5
    seen = 0
    for path in lists:
        answer = root.get(server.url + path)
        if answer.status_code == 404:  # a table with one row and no list
            continue
        page = shown_safely(answer.text, is_of_people=True)
        seen += SHOWN[0] in page.text
        for row in set(re.findall(rf'href="({re.escape(path)}[^"/]+/change/)', answer.text)):
            for kind in ("change", "history", "delete"):
                shown_safely(root.get(server.url + row.replace("change", kind)).text, is_of_people=True)
    assert seen >= 3


def test_log_has_one_line_per_record_and_no_terminal_escapes(server: Server) -> None:
    for name in NAMES[:13]:
        server.get(f"/nothing/{quote(name, safe='')}")
        requests.get(
            f"{server.url}/api/health",
            headers={"Host": "evil.example", "X-Request-Id": plain(name)[:60].encode("ascii", "ignore").decode()},
            timeout=40,
        )
    assert UNSEEN.findall(server.log) == []
    assert not re.search(r"^X-Injected", server.log, re.MULTILINE)


def test_commands_print_no_terminal_escapes_and_rules_keep_their_names(server: Server, tmp_path: Path) -> None:
    file = recording(tmp_path / "hostile.jsonl")
    rules = tmp_path / "rules.yaml"
    rules.write_text(server.manage("alerts", "export"))
    assert "\x1b" not in rules.read_text()
    printed = [server.manage("doctor"), server.manage("alerts", "import", str(rules), "--dry-run")]
    for command in (["manage.py", "alerts", "check", str(file), "--rules", str(rules)],
                    ["-m", "monitor.telemetry", "--replay-file", str(file)]):  # fmt: skip
        done = ran(server, *command)
        assert done.returncode in (0, 1), done.stderr
        printed.append(done.stdout + done.stderr)
    for text in printed:
        assert UNSEEN.findall(text) == []
    assert f"unchanged: {len(NAMES)}" in printed[1]
    assert "<script>" in printed[2]
    assert "Traceback" not in "".join(printed)


def test_lone_surrogate_is_refused_with_its_position(server: Server, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text('version: 1\nrules:\n- name: "a\\ud800"\n  kind: gpu_lost\n')
    done = ran(server, "manage.py", "alerts", "import", str(rules))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    file = tmp_path / "half.jsonl"
    header = '{"gpumon_recording": 1, "host": "a", "provider": "b"}'
    reading = '{"type": "reading", "sampled_at": 1, "gpus": [], "driver_version": "\\ud800"}'
    file.write_text(f"{header}\n{reading}\n")
    done = ran(server, "manage.py", "alerts", "check", str(file))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "line 2" in done.stderr
