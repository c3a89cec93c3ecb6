"""What the driver's Xid codes mean, and what to do about them.

After NVIDIA's "Xid Errors" (docs.nvidia.com/deploy/xid-errors), its catalogue and its GPU debug guidelines.
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """One code."""

    what: str
    do: str


_PROGRAM = "Look for the fault in the program, first with compute-sanitizer; other programs are not affected."
_RESET = "Stop the programs on this GPU and reset it (`nvidia-smi --gpu-reset`), or reboot."
_SERVICE = "If it recurs after a reboot, contact the GPU's vendor (with a log of nvidia-bug-report.sh)."

MEANINGS: dict[int, Meaning] = {
    8: Meaning("a program's channel hung and was reset", _PROGRAM),
    13: Meaning("a program caused a graphics engine exception", _PROGRAM),
    31: Meaning("a program accessed an invalid GPU memory address", _PROGRAM),
    32: Meaning("the command stream from the host was corrupted", f"Often the PCIe link. {_SERVICE}"),
    38: Meaning("the driver's firmware failed", f"Update the driver. {_SERVICE}"),
    43: Meaning("a program's channel was reset after a fault of its own", _PROGRAM),
    45: Meaning(
        "a program ended with work still on the GPU",
        "Nothing, if a user ended the program; otherwise look at the Xid before it.",
    ),
    48: Meaning("a double-bit ECC error: memory contents were lost", f"{_RESET} {_SERVICE}"),
    61: Meaning("the GPU's microcontroller reported a breakpoint", f"{_RESET} {_SERVICE}"),
    62: Meaning("the GPU's microcontroller halted", f"{_RESET} {_SERVICE}"),
    63: Meaning(
        "a memory row is pending remapping, or a page retirement",
        f"Let the programs finish, then reset the GPU, which completes the repair. {_SERVICE}",
    ),
    64: Meaning("remapping a memory row, or retiring a page, failed", f"{_RESET} {_SERVICE}"),
    68: Meaning("the video decoder failed", f"Often caused by the program or the stream that it decodes. {_SERVICE}"),
    69: Meaning("a program caused a graphics engine class error", _PROGRAM),
    74: Meaning(
        "an NVLink failed", f"Check the bridge, the switch and the connected GPUs, then reset them together. {_SERVICE}"
    ),
    79: Meaning(
        "the GPU has fallen off the bus",
        f"Reboot, preferably with a power cycle; check power cables, seating and temperature. {_SERVICE}",
    ),
    92: Meaning("many single-bit ECC errors", f"The errors were corrected, but there are too many. {_SERVICE}"),
    94: Meaning(
        "a contained uncorrectable ECC error: the program that used the memory was ended",
        f"Restart that program; reset the GPU when convenient. {_SERVICE}",
    ),
    95: Meaning(
        "an uncontained uncorrectable ECC error",
        f"The results of every program on this GPU may be wrong. {_RESET}",
    ),
    109: Meaning(
        "a context switch between programs timed out",
        f"Check what the program does, then update the driver. {_SERVICE}",
    ),
    119: Meaning("the GPU System Processor (GSP) does not respond", f"{_RESET} If it recurs, update the driver."),
    120: Meaning("the GPU System Processor (GSP) failed", f"{_RESET} If it recurs, update the driver."),
    121: Meaning("an error of the link between GPU and CPU was corrected", f"Watch whether it recurs. {_SERVICE}"),
    122: Meaning("reading the board's SPI memory failed", _SERVICE),
    140: Meaning("an unrecovered ECC error", f"{_RESET} {_SERVICE}"),
    143: Meaning("initializing the GPU failed", f"{_RESET} {_SERVICE}"),
    144: Meaning("an NVLink error", f"Check the links; {_RESET[0].lower()}{_RESET[1:]}"),
    145: Meaning("an NVLink error", f"Check the links; {_RESET[0].lower()}{_RESET[1:]}"),
    149: Meaning("an NVLink error", f"Check the links; {_RESET[0].lower()}{_RESET[1:]}"),
    154: Meaning(
        "the driver reports that the GPU needs recovery",
        "`nvidia-smi -q` shows the GPU Recovery Action: reset, reboot or drain.",
    ),
}
UNKNOWN = Meaning(
    "a code that is unknown here", "Look it up in NVIDIA's Xid catalog, and see the kernel log (`dmesg`)."
)


def meaning_of(code: int) -> Meaning:
    """The meaning of a code; `UNKNOWN` if it has none here."""
    return MEANINGS.get(code, UNKNOWN)
