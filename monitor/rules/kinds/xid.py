"""Fires when the driver reports a new Xid error."""

from __future__ import annotations

from monitor.rules.columns import Column, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import Kind, Words, detail_of, gpu_of
from monitor.rules.phrases import listed
from monitor.rules.rule import Rule
from monitor.rules.xids import meaning_of
from monitor.telemetry.schema import Gpu

NEW_XID_SECONDS = 60.0
"""An Xid up to this old is new to a rule that sees a GPU for the first time."""


class XidError(Kind):
    name = "xid"
    label = "Xid error"
    help = "The driver reports a new Xid. Ignore codes that a faulty program can cause."
    takes = ("ignored_xids",)
    is_instant = True
    why_not_stored = "the history stores no Xid errors"

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        """Each code on each GPU is a subject, so that an open alert for one error does not hide another error.

        An Xid is new if it was reported after the code was last seen; after the list was empty, counting starts over.
        A rule that sees a GPU for the first time, after it was created or edited, does not take old reports as new.
        Of a lost GPU, only new ones are known: what is open stays open.
        """
        found: list[tuple[str, float | None, Gpu, int | None]] = []
        for gpu in tick.selected(rule.which)[1]:
            known: dict[str, float] = memory.get(gpu.uuid, {})
            # The GPU itself is a subject too, so that a GPU without any Xid is known to have none.
            nothing_new = None if gpu.xids is None or gpu.state == "lost" else 0.0
            found.append((gpu.uuid, nothing_new, gpu, None))
            if gpu.xids is None:
                found += [(f"{gpu.uuid}/xid{code}", None, gpu, int(code)) for code in known]
                continue
            before = 0.0 if gpu.uuid in memory else tick.snapshot.time - NEW_XID_SECONDS
            last = {**dict.fromkeys(known, 0.0), **{str(xid.code): xid.last_at for xid in gpu.xids}}
            memory[gpu.uuid] = last
            found += [
                (f"{gpu.uuid}/xid{code}", 1.0 if last_at > known.get(code, before) else nothing_new, gpu, int(code))
                for code, last_at in last.items()
                if int(code) not in rule.ignored_xids
            ]
        keys, values, gpus, codes = zip(*found, strict=True) if found else ((), (), (), ())
        return Column(keys, values, gpus, details=codes)

    def condition(self, rule: Rule) -> str:
        return "a new Xid error" + (f" other than {listed(rule.ignored_xids)}" if rule.ignored_xids else "")

    def words(self, change: Change, tick: Tick) -> Words:
        code: int = detail_of(change)
        meaning = meaning_of(code)
        return Words(f"GPU {gpu_of(change).index} reported Xid {code}: {meaning.what}", meaning.do, float(code))

    def why_gone(self, key: str, tick: Tick | None) -> str | None:
        return None

    def subject_label(self, key: str, column: Column, place: int) -> str:
        label, code = super().subject_label(key, column, place), column.details[place]
        return label if code is None else f"Xid {code} on {label}"

    def charted(self, rule: Rule) -> tuple[str, ...]:
        return ("gpu.utilization_percent", "gpu.temperature_celsius")

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "new Xids"
