"""A child process that evaluates a test's expressions with the real pynvml."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import Any

from tests.fakes.fake_driver import FakeDriver

CHILD = """
import json, sys
import pynvml as n

def gpu(index):
    return n.nvmlDeviceGetHandleByIndex(index)

def mig(index, place):
    return n.nvmlDeviceGetMigDeviceHandleByIndex(gpu(index), place)

def code(call, *args):
    try:
        call(*args)
    except n.NVMLError as error:
        return error.value
    return "no error"

def field(index, number, scope=0):
    answer = n.nvmlDeviceGetFieldValues(gpu(index), [(number, scope)])[0]
    return {"status": answer.nvmlReturn, "type": answer.valueType, "value": answer.value.ullVal}

def pids(processes):
    return [process.pid for process in processes]

def samples(index, last_seen):
    return [[it.pid, it.timeStamp, it.smUtil] for it in n.nvmlDeviceGetProcessUtilization(gpu(index), last_seen)]

def mismatches(call, *args):
    try:
        call(*args)
    except n.NVMLLibraryMismatchError:
        return True
    return False

def xid(events, timeout_ms):
    event = n.nvmlEventSetWait_v2(events, timeout_ms)
    return [event.eventData, event.eventType]

for line in sys.stdin:
    statement, _, expression = line.rpartition(";;")
    try:
        exec(statement)
        reply = {"answer": eval(expression)}
    except Exception as error:
        reply = {"raised": repr(error)}
    print(json.dumps(reply), flush=True)
"""


class ChildError(Exception):
    """The expression raised an exception in the child."""


class Child:
    """A process with pynvml that evaluates one Python expression after another; statements can precede it before `;;`."""

    def __init__(self, driver: FakeDriver) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            env={**os.environ, **driver.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, question: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout is not None
        reply = json.loads(self.process.stdout.readline())
        if "raised" in reply:
            raise ChildError(reply["raised"])
        return reply["answer"]

    def is_silent(self) -> bool:
        """Whether no answer arrives within a tenth of a second."""
        assert self.process.stdout is not None
        return not select.select([self.process.stdout], [], [], 0.1)[0]

    def __call__(self, question: str) -> Any:
        self.send(question)
        return self.receive()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def eventually(ask: Child, question: str, expected: Any) -> None:
    """The driver reads its scenario every 20 ms: ask until the answer is as expected."""
    deadline = time.monotonic() + 10
    while (answer := _ask_or_complaint(ask, question)) != expected:
        assert time.monotonic() < deadline, f"{question} still answers {answer!r}, not {expected!r}"
        time.sleep(0.01)


def _ask_or_complaint(ask: Child, question: str) -> Any:
    try:
        return ask(question)
    except ChildError as complaint:
        return complaint
