"""Xid errors in a log that answers as the kernel's does: one record a read, and no wait at its end."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.telemetry.host.kernel_log import why_unreadable, xid_messages
from tests.support.hostile import UNSEEN


@pytest.fixture
def pipe() -> Iterator[tuple[Path, int]]:
    """A pipe in packet mode, and the end to write to."""
    reader, writer = os.pipe2(os.O_DIRECT)
    yield Path(f"/proc/self/fd/{reader}"), writer
    os.close(reader)
    os.close(writer)


def test_messages_about_xids_are_found_with_their_gpu_and_time(pipe: tuple[Path, int]) -> None:
    log, writer = pipe
    booted_at = time.time() - time.monotonic()
    for record in (
        b"6,1,1000000,-;pci 0000:3b:00.0: BAR 0\n SUBSYSTEM=pci\n",
        b"4,2,2500000,-;NVRM: Xid (PCI:0000:3B:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.\n",
        b"4,3,3000000,c;NVRM: GPU at PCI:0000:3b:00: GPU-00000000\n",
        b"4,4,4000000,-,caller=T1;NVRM: Xid (PCI:0001:af:00 GPU-I:05): 31, name=a\xff\x1b[31m, Ch 00000008\n DEVICE=+pci\n",
    ):
        os.write(writer, record)
    first, second = xid_messages(log)
    assert first.at == pytest.approx(booted_at + 2.5, abs=1)
    assert first[1:] == (
        "0000:3b:00",
        "NVRM: Xid (PCI:0000:3B:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    )
    assert second[1:] == ("0001:af:00", "NVRM: Xid (PCI:0001:af:00 GPU-I:05): 31, name=a\ufffd [31m, Ch 00000008")


@example(before=b"login: NVRM: Xid (PCI:0000:3b:00): 79, ", name=b"")
@given(before=st.binary(max_size=60), name=st.binary(max_size=600))
def test_whatever_stands_in_the_log_is_no_error_and_harmless_text(before: bytes, name: bytes) -> None:
    """Regression: what was no record of the kernel ended the search with an error. Some containers have a terminal in its place."""
    with NamedTemporaryFile() as log:
        log.write(before + b"4,2,2500000,-;NVRM: Xid (PCI:0000:3b:00): 79, name=" + name)
        log.flush()
        for message in xid_messages(Path(log.name)):
            assert message.text.isprintable() or not UNSEEN.search(message.text)
            assert message.pci_bus_id == "0000:3b:00"


def test_log_without_xids_is_no_error(pipe: tuple[Path, int]) -> None:
    assert xid_messages(pipe[0]) == []


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermissionError(errno.EPERM, "Operation not permitted"), "kernel log not readable: no permission"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "kernel log not readable: no /dev/kmsg here"),
        (OSError(errno.EIO, "Input/output error"), "kernel log not readable: Input/output error"),
    ],
)
def test_reason_is_in_words(error: OSError, why: str) -> None:
    assert why_unreadable(error) == why


def test_missing_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        xid_messages(tmp_path / "kmsg")
