"""First start of a server that others can reach: the set-up link, the password, what `check --deploy` reports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.people import log_in, submit
from tests.support.servers import ROOT, Server, wait_for

pytestmark = pytest.mark.slow
PASSWORD = "a staple of horses"


def test_link_in_the_log_creates_the_first_administrator_once(tmp_path: Path) -> None:
    server = Server(tmp_path, is_first_start=True, host="0.0.0.0", telemetry_provider="simulated").start()
    try:
        found = wait_for(
            lambda: re.search(r"open http://0\.0\.0\.0:\d+(/setup/\S+) within 24 hours", server.log), "the link"
        )
        assert requests.get(f"{server.url}/", allow_redirects=False, timeout=40).headers["Location"] == "/login?next=/"
        browser = requests.Session()
        given = {"username": "chief", "password1": PASSWORD, "password2": PASSWORD}
        assert submit(browser, server.url + found[1], **given).headers["Location"] == "/"
        assert browser.get(f"{server.url}/admin/monitor/sitesettings/1/change/", timeout=40).status_code == 200
        assert server.get(found[1])[0] == 404
        server.stop()
        server.start()
        assert server.log.count("no admin account yet") == 1
    finally:
        server.stop()


def test_password_file_creates_the_administrator_and_no_output_shows_it(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    server = Server(
        tmp_path, host="0.0.0.0", admin_user="chief", admin_password_file=tmp_path / "password", log_level="DEBUG",
        telemetry_provider="simulated",
    ).start()  # fmt: skip
    try:
        browser = log_in(server, "chief", PASSWORD)
        wait_for(lambda: browser.get(f"{server.url}/api/snapshot", timeout=40).status_code == 200, "the first reading")
        assert PASSWORD not in browser.get(f"{server.url}/api/config", timeout=40).text
        assert PASSWORD not in server.log
        assert "/setup/" not in server.log
    finally:
        server.stop()


def test_password_in_the_environment_is_a_secret_and_anonymous_callers_get_only_the_status_word_of_health(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path, auth="login", admin_password=PASSWORD, telemetry_provider="simulated").start()
    try:
        # Anonymous callers get only the status word of health.
        wait_for(lambda: server.get("/api/health") == (200, '{"status":"ok"}'), "the first reading")
        listed = log_in(server, "admin", PASSWORD).get(f"{server.url}/api/config", timeout=40).json()["settings"]
        (told,) = [each for each in listed if each["name"] == "GPU_MONITOR_ADMIN_PASSWORD"]
        assert (told["value"], told["is_secret"]) == (None, True)
    finally:
        server.stop()


def test_log_warns_once_of_details_that_everyone_can_see(tmp_path: Path) -> None:
    server = Server(tmp_path, host="0.0.0.0", auth="none", debug="true", telemetry_provider="simulated").start()
    try:
        wait_for(lambda: server.get("/api/snapshot")[0] == 200, "the first reading")
        assert server.log.count("GPU_MONITOR_AUTH=none: anyone who can reach this server") == 1
        assert server.log.count("GPU_MONITOR_DEBUG is on: anyone who can reach this server") == 1
        assert "/setup/" not in server.log
    finally:
        server.stop()


@pytest.mark.parametrize(
    "settings",
    [
        {"GPU_MONITOR_TLS": "on", "GPU_MONITOR_TRUSTED_PROXIES": "127.0.0.1"},
        {"GPU_MONITOR_CSRF_TRUSTED_ORIGINS": "https://gpu.example.com", "GPU_MONITOR_HOST": "0.0.0.0"},
    ],
)
def test_django_reports_no_issue_behind_tls(tmp_path: Path, settings: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", "GPU_MONITOR_DATA_DIR": str(tmp_path), **settings},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def test_secure_cookies_and_hsts_are_sent_over_https_only(tmp_path: Path) -> None:
    server = Server(tmp_path, tls="on", trusted_proxies="127.0.0.1", telemetry_provider="simulated").start()
    try:
        given = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
        answer = requests.get(f"{server.url}/login", headers=given, timeout=40)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("gpumon_csrf_")
        assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert "Strict-Transport-Security" not in requests.get(f"{server.url}/login", timeout=40).headers
    finally:
        server.stop()
