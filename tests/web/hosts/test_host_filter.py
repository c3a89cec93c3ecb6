"""The filter of the page of hosts: what each term matches, and what is said about one that is not understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.web.hosts.host_filter import BadFilter, HostFilter
from tests.support.snapshots import GIB, alert, gpu
from tests.web.hosts.facts import facts

HOSTS = [
    facts("dgx-01", gpu(0, use="busy"), gpu(1, use="held"), tags=("train", "rack 1"), alerts=(alert(),)),
    facts("lab-01", gpu(0, use="free", name="NVIDIA A100"), gpu(1, use="free", memory_used_bytes=GIB), tags=("lab",),
          driver="570.9"),
    facts("lab-02", gpu(0, use="free"), tags=("lab",), stale=True, age_seconds=40.0),
    facts("off-01", tags=(), stale=True, is_connected=False, state="may_be_off", gpu_count=None, totals=None),
    facts("down-01", stale=True, is_connected=False, gpu_count=None, totals=None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["dgx-01", "lab-01", "lab-02", "off-01", "down-01"]),
        ("LAB", ["lab-01", "lab-02"]),
        ("tag:lab free>1", ["lab-01"]),
        ('tag:"rack 1"', ["dgx-01"]),
        ("tag:rack", []),
        ("host:01 -tag:lab", ["dgx-01", "off-01", "down-01"]),
        ("model:h100 busy=1", ["dgx-01"]),
        ("model:a100", ["lab-01"]),
        ("driver:570", ["lab-01"]),
        ("free>=0", ["dgx-01", "lab-01"]),
        ("-free>=0", ["lab-02", "off-01", "down-01"]),
        ("state:stale", ["lab-02"]),
        ("state:off", ["off-01"]),
        ("state:down", ["down-01"]),
        ("alerts>0", ["dgx-01"]),
        ("idle:1", ["dgx-01"]),
        ("age>30", ["lab-02"]),
        ("memory<20", ["lab-01"]),
        ("power>600 hottest<=60", ["dgx-01", "lab-01"]),
    ],
)
def test_terms_match(text: str, names: list[str]) -> None:
    wanted = HostFilter(text)
    assert [host.name for host in HOSTS if wanted.matches(host)] == names


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lab fre>1", "'fre>1' at character 5: there is no field 'fre'. Fields are host, tag, model"),
        ("free>many", "'free>many' at character 1: free is compared with a number, such as free>1."),
        ("tag>lab", "tag is a text; write tag:lab."),
        ("state:dead", "state is one of live, stale, down, off."),
        ("lab - x", "'-' at character 5 is empty"),
        ("x" * 301, "The filter has 301 characters; it may have 300."),
    ],
)
def test_what_is_not_understood_is_named_with_its_place(text: str, told: str) -> None:
    with pytest.raises(BadFilter) as refused:
        HostFilter(text)
    assert told in str(refused.value)


@given(st.text(st.sampled_from('tag:fre><="- x1.é\t'), max_size=40))
def test_every_text_is_a_filter_or_a_problem(text: str) -> None:
    try:
        wanted = HostFilter(text)
    except BadFilter:
        return
    assert all(isinstance(wanted.matches(host), bool) for host in HOSTS)
