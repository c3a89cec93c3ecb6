"""Hostile names, a recording and database rows full of them, and checks of pages that show them."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tests.support.servers import Server

HACKED = "window.hacked=1"
NAMES = [
    f"<script>{HACKED}</script>",
    f'"><img src=x onerror="{HACKED}">',
    f"</script></title></textarea><svg onload={HACKED}>",
    f"</hx-set></hx-part><script>{HACKED}</script>",
    f"' onmouseover='{HACKED}' autofocus onfocus='{HACKED}",
    f"javascript:{HACKED}",
    "{{7*7}}{% debug %}${7*7}",
    "=cmd|'/C calc'!A0",
    "x\r\n\r\nX-Injected: y",
    "\x1b[31mred\x1b]0;title\x07",
    "cod\u202egnp.exe",
    "line\u2028separator",
    "nul\x00byte",
    "&lt;b&gt;&amp;#60;",
    "../../../etc/passwd",
    "long" * 25_000,
]
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that no output may contain: invisible to viewers, but obeyed by terminals or browsers."""
_RUNS = re.compile(r"\s*(javascript|data|vbscript):", re.IGNORECASE)


def recording(path: Path) -> Path:
    """Two readings: a GPU and a process for each name, which fills every text field of a recording."""
    header = {"gpumon_recording": 1, "host": NAMES[0], "provider": NAMES[1]}
    lines = [header, *({**_reading(), "sampled_at": 1_790_000_000.0 + second} for second in range(2))]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def _reading() -> dict[str, Any]:
    return {
        "type": "reading",
        "sampled_at": 0.0,
        "gpus": [_gpu(index, name) for index, name in enumerate(NAMES)],
        "driver_version": NAMES[2],
        "cuda_version": NAMES[9],
        "notices": [{"code": name[:50], "text": name, "fix": f"`{name}`"} for name in NAMES[:6]],
    }


def _gpu(index: int, name: str) -> dict[str, Any]:
    return {
        "index": index,
        "uuid": f"GPU-{index}" if index % 2 else name[:80],
        "name": name,
        "pci_bus_id": name,
        "architecture": name,
        "brand": name,
        "serial_number": name,
        "vbios_version": name,
        "utilization_percent": 50.0,
        "memory_total_bytes": 1 << 34,
        "memory_used_bytes": 1 << 33,
        "performance_state": name,
        "compute_mode": name,
        "clock_event_reasons": [f"0x{name}"],
        "mig_mode": True,
        "mig_instances": [{"index": 0, "uuid": name, "name": name, "profile": name}],
        "processes": [
            {
                "pid": 1000 + index,
                "user": name,
                "name": name,
                "command": name,
                "container_id": name,
                "container_name": name,
                "pod_id": name,
                "pod_name": name,
                "job_id": name,
                "memory_used_bytes": 1 << 30,
                "unavailable": {"cpu_percent": name},
            }
        ],
        "unavailable": {"temperature_celsius": name, "power_watts": name},
    }


ROWS = """
import json, os
from django.contrib.auth.models import User
from django.utils import timezone
from monitor.alerts.evidence import Evidence, KernelLine, pack
from monitor.models import *
from monitor.sanitize import plain
from monitor.telemetry.host.kernel_log import xid_messages
names = [name.replace("\\0", "")[:90] for name in json.loads({names!r})]
now = timezone.now()
log, driver = os.pipe2(os.O_DIRECT)  # a record a read, as from the kernel's log
for name in names:
    record = f"4,1,1000000,-;NVRM: Xid (PCI:0000:3b:00): 79, name={{name}}, GPU has fallen off the bus.\\n"
    os.write(driver, record.encode())
lines = tuple(KernelLine(0.0, 0, message.text) for message in xid_messages(f"/proc/self/fd/{{log}}"))
root = User.objects.create_superuser("root", password="correct horse")
AlertRule.objects.all().delete()
for number, name in enumerate(names):
    said = plain(name)  # by the readings, which are plain by then
    rule = AlertRule.objects.create(
        name=f"{{number}} {{name}}", kind="threshold", metric="gpu.utilization_percent", comparator=">=", threshold=40,
        for_seconds=0, gpu_indexes=str(number))
    channel = Channel.objects.create(name=f"{{number}} {{name}}", url=f"json://example.com/{{name}}", is_enabled=False)
    event = AlertEvent.objects.create(
        rule=rule, rule_name=said, severity="critical", state="resolved", host=said, subject=said[:40], gpu_uuid=said,
        gpu_index=number, gpu_name=said, summary=said, detail=said, metric="gpu.utilization_percent", value=1.0, threshold=1.0,
        started_at=now, fired_at=now, resolved_at=now, resolved_because=said, note=name, acknowledged_at=now,
        acknowledged_by=root)
    AlertEvidence.objects.create(event=event, data=pack(Evidence(kernel_lines=lines)))
    delivery = Delivery.objects.create(
        channel=channel, kind="fired", rule=rule, status="failed", created_at=now, due_at=now, last_error=said)
    delivery.events.add(event)
"""


def fill_database(server: Server) -> None:
    """Create rules, channels, events and messages with these names; and the administrator `root`, password `correct horse`."""
    server.manage("shell", "-c", ROWS.format(names=json.dumps(NAMES)))


class Page(HTMLParser):
    """HTML as a browser sees it: the scripts it would run, and the text it shows."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.runs: list[str] = []
        self.images: list[str] = []
        self.text = ""
        self._is_title = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "style", "iframe", "object", "embed", "base") and not _is_own(given):
            self.runs.append(f"<{tag}> {given}")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.runs.append(f"{tag} {name}")
            if name in ("href", "src", "action", "formaction") and _RUNS.match(value or ""):
                self.runs.append(f"{tag} {name}={value}")
        if tag == "img":
            self.images.append(given.get("src") or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def _is_own(given: dict[str, str | None]) -> bool:
    is_of_site = re.match(r"/(static|admin)/", given.get("src") or "") is not None
    opens_links_in_the_window = given == {"target": "_top"}  # <base> of the wall screen, which moves no address
    return is_of_site or given.get("type") == "application/json" or opens_links_in_the_window


def shown_safely(html: str, *, is_of_people: bool = False) -> Page:
    """The page, after asserting that nothing in it would run or act as an invisible control character.

    `is_of_people`: it also shows text from the address, or from administrators and operators, unchanged.
    """
    page = Page(html)
    assert page.runs == []
    assert "x" not in page.images
    assert is_of_people or UNSEEN.findall(html.replace("\r\n", "\n")) == []
    return page
