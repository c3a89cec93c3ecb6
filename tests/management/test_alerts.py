"""`manage.py alerts`: what it prints, and its exit status."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from monitor.models import AlertRule
from tests.support.recordings import BEGAN_AT, heat, record
from tests.support.snapshots import gpu

RULES = """\
gpumon_rules: 1
rules:
- name: Hot
  severity: critical
  metric: gpu.temperature_celsius
  comparator: '>='
  threshold: 90
  clear_threshold: 85
  for_seconds: 2
- {name: Lost, kind: gpu_lost}
- {name: Not judged, kind: gpu_lost, is_enabled: false}
"""
H100 = Path(__file__).parents[1] / "data/h100-driver-580.jsonl.gz"
TEMPERATURES = [80, 91, 92, 95, 93, 86, 84, 80]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    return heat(tmp_path / "hot.jsonl", TEMPERATURES)


def run(*arguments: object) -> tuple[int, str]:
    """Exit status and output."""
    out = io.StringIO()
    try:
        call_command("alerts", *map(str, arguments), stdout=out)
    except SystemExit as ended:
        status = int(str(ended.code))
        return status, out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_alerts_are_printed_with_the_times_of_the_recording(rules: Path, hot: Path) -> None:
    status, said = run("check", hot, "--rules", rules)
    assert status == 1
    assert said.replace("\u2009", " ").splitlines() == [
        "2027-01-15 08:00:03Z  fired     critical  Hot: GPU 0 reached 95 °C (limit 90 °C)",
        "2027-01-15 08:00:06Z  resolved  critical  Hot: GPU 0 reached 95 °C (limit 90 °C) for 3 s: "
        "84 °C, back within the limit",
        "8 readings, 2 rules: 1 fired, 0 still firing at the end",
    ]


def test_json_output_has_one_event_a_line_with_unix_times(rules: Path, hot: Path) -> None:
    status, said = run("check", hot, "--rules", rules, "--json")
    fired, resolved = map(json.loads, said.splitlines())
    assert status == 1
    assert (fired["time"], fired["state"], fired["gpu_index"], fired["value"]) == (BEGAN_AT + 3, "fired", 0, 95)
    assert (fired["resolved_at"], fired["lasted_seconds"]) == (None, None)
    assert (resolved["time"], resolved["state"], resolved["lasted_seconds"]) == (BEGAN_AT + 6, "resolved", 3)
    assert resolved["id"] == fired["id"]


def test_rules_select_the_recorded_host_by_the_tags_that_are_given(tmp_path: Path, hot: Path) -> None:
    rules = tmp_path / "lab.yaml"
    rules.write_text(RULES.replace("metric:", "hosts: tag:lab\n  metric:", 1))
    assert run("check", hot, "--rules", rules)[0] == 0
    assert run("check", hot, "--rules", rules, "--tag", "train", "--tag", "Lab")[0] == 1


def test_duration_is_omitted_if_the_clock_was_set_back(rules: Path, tmp_path: Path) -> None:
    """Regression: it printed "after -1 d 23 h"."""
    path = heat(tmp_path / "set_back.jsonl", [95, 95, 95, 60])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1].replace(f"{BEGAN_AT + 3}", f"{BEGAN_AT - 3000}")]))
    said = run("check", path, "--rules", rules)[1].splitlines()
    assert "; after an unknown time, because the clock was set back: 60" in said[1]
    assert json.loads(run("check", path, "--rules", rules, "--json")[1].splitlines()[1])["lasted_seconds"] is None


def test_exit_status_is_0_if_nothing_fires(rules: Path, tmp_path: Path) -> None:
    status, said = run("check", heat(tmp_path / "cool.jsonl", [50, 60]), "--rules", rules)
    assert (status, said) == (0, "2 readings, 2 rules: 0 fired, 0 still firing at the end\n")


def test_gpu_missing_from_a_reading_is_lost(rules: Path, tmp_path: Path) -> None:
    path = record(tmp_path / "lost.jsonl", [(gpu(0), gpu(1)), (gpu(0), gpu(1)), (gpu(0),)])
    status, said = run("check", path, "--rules", rules)
    assert status == 1
    assert "Lost: GPU 1 was lost" in said
    assert "1 still firing" in said


@pytest.mark.django_db
def test_enabled_rules_of_the_database_apply_without_a_rules_file(hot: Path) -> None:
    AlertRule.objects.all().delete()
    warm: dict[str, Any] = {"metric": "gpu.temperature_celsius", "comparator": ">", "threshold": 94}
    AlertRule.objects.create(name="Warm", **warm)
    AlertRule.objects.create(name="Off", is_enabled=False, **warm)
    status, said = run("check", hot)
    assert status == 1
    assert "Warm: GPU 0" in said
    assert "Off" not in said


def test_invalid_input_exits_with_status_2_and_the_reason(rules: Path, hot: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(hot.read_bytes()[:-10])
    (tmp_path / "bad.yaml").write_text(RULES.replace("threshold: 90", "threshold: hot"))
    (tmp_path / "none.yaml").write_text("gpumon_rules: 1\nrules: []")
    for arguments, reason in (
        ((tmp_path / "nowhere", "--rules", rules), "nowhere: No such file or directory"),
        ((rules, "--rules", rules), "is not a recording"),
        ((broken, "--rules", rules), "line 9, is not a reading"),
        ((hot, "--rules", tmp_path / "bad.yaml"), "bad.yaml:\n  rule 1 “Hot”, threshold: 'hot' is not a number"),
        ((hot, "--rules", tmp_path / "none.yaml"), "there are no rules to check"),
        ((hot, "--rules", tmp_path), "Is a directory"),
    ):
        status, said = run("check", *arguments)
        assert status == 2
        assert reason in said


@pytest.mark.django_db
def test_exported_rules_are_imported_again(rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    AlertRule.objects.all().delete()
    assert run("import", rules, "--dry-run") == (
        0,
        "would be added: Hot\nwould be added: Lost\nwould be added: Not judged\nunchanged: 0\n",
    )
    assert not AlertRule.objects.exists()
    assert run("import", rules) == (0, "added: Hot\nadded: Lost\nadded: Not judged\nunchanged: 0\n")
    exported = tmp_path / "exported.yaml"
    assert run("export", exported) == (0, "")
    assert run("export") == (0, exported.read_text())
    AlertRule.objects.create(name="Other", kind="gpu_lost")
    AlertRule.objects.filter(name="Hot").update(threshold=1)
    monkeypatch.setattr(sys, "stdin", io.StringIO(exported.read_text()))
    assert run("import", "-", "--replace") == (0, "changed: Hot\ndeleted: Other\nunchanged: 2\n")
    assert run("export") == (0, exported.read_text())


@pytest.mark.django_db
def test_invalid_import_exits_with_status_2_and_changes_nothing(tmp_path: Path) -> None:
    AlertRule.objects.all().delete()
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES + "- {name: Odd, kind: gpu_lst}\n")
    status, said = run("import", bad)
    assert status == 2
    assert "rule 4 “Odd”, kind: 'gpu_lst' is not one of threshold, " in said
    assert not AlertRule.objects.exists()


@pytest.mark.django_db
def test_default_rules_find_no_problem_on_an_h100_under_load() -> None:
    """A compressed recording of a real board: power briefly above its limit, and 14 s at 99 %."""
    status, said = run("check", H100)
    assert status == 0, said
    assert "20 readings" in said
    assert "0 fired, 0 still firing" in said


@pytest.mark.django_db
@pytest.mark.parametrize("file", [[], ["-"]])
def test_rules_on_standard_output_are_utf_8_whatever_the_locale(
    file: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A character that the locale lacks would be escaped, and the rule imported under another name."""
    AlertRule.objects.create(name="“Heiß” →", kind="gpu_lost")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1", errors="backslashreplace"))
    call_command("alerts", "export", *file)
    sys.stdout.flush()
    assert "“Heiß” →" in written.getvalue().decode()
