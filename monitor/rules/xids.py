"""What the driver's Xid codes mean and what to do about them, in plain words.

After NVIDIA's "Xid Errors" (docs.nvidia.com/deploy/xid-errors), its catalogue and its GPU debug guidelines.
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """One code."""

    what: str
    do: str


_PROGRAM = (
    "Look for the fault in the program that ran, first of all with compute-sanitizer; other programs are not affected."
)
_RESET = "End the programs on this GPU and reset it (`nvidia-smi --gpu-reset`), or reboot."
_SERVICE = "If it comes again after a reboot, have the GPU examined by its vendor (nvidia-bug-report.sh)."

MEANINGS: dict[int, Meaning] = {
    8: Meaning("a program's channel stopped and was ended", _PROGRAM),
    13: Meaning("a program made the graphics engine fail", _PROGRAM),
    31: Meaning("a program used an address of GPU memory that is not its own", _PROGRAM),
    32: Meaning("the stream of commands from the host was corrupted", f"Often the PCIe link. {_SERVICE}"),
    38: Meaning("the driver's firmware failed", f"Update the driver. {_SERVICE}"),
    43: Meaning("a program's channel was ended after its own fault", _PROGRAM),
    45: Meaning(
        "a program was ended with work still on the GPU",
        "Nothing, if somebody ended the program; else look at the Xid before.",
    ),
    48: Meaning("a double-bit ECC error: memory contents were lost", f"{_RESET} {_SERVICE}"),
    61: Meaning("the GPU's microcontroller reported a breakpoint", f"{_RESET} {_SERVICE}"),
    62: Meaning("the GPU's microcontroller halted", f"{_RESET} {_SERVICE}"),
    63: Meaning(
        "a row of memory is to be remapped, or a page retired",
        f"Let the programs finish, then reset the GPU: the repair takes effect then. {_SERVICE}",
    ),
    64: Meaning("remapping a row of memory, or retiring a page, failed", f"{_RESET} {_SERVICE}"),
    68: Meaning("the video decoder failed", f"Often the program or the stream it decodes. {_SERVICE}"),
    69: Meaning("a program made the graphics engine's class fail", _PROGRAM),
    74: Meaning("an NVLink failed", f"Check bridge, switch and neighbour GPUs, then reset them together. {_SERVICE}"),
    79: Meaning(
        "the GPU has fallen off the bus",
        f"Reboot, best with the power off for a moment; check power cables, seating and heat. {_SERVICE}",
    ),
    92: Meaning("many single-bit ECC errors", f"Corrected, but too often. {_SERVICE}"),
    94: Meaning(
        "an uncorrectable ECC error, contained: the program that used the memory was ended",
        f"Start that program again; reset the GPU when it is convenient. {_SERVICE}",
    ),
    95: Meaning(
        "an uncorrectable ECC error that could not be contained",
        f"Results of every program on this GPU are in doubt. {_RESET}",
    ),
    109: Meaning(
        "switching between programs took too long", f"Look at what the program does, then update the driver. {_SERVICE}"
    ),
    119: Meaning(
        "the GPU's own system processor (GSP) does not answer", f"{_RESET} Update the driver if it comes again."
    ),
    120: Meaning("the GPU's own system processor (GSP) failed", f"{_RESET} Update the driver if it comes again."),
    121: Meaning("the link between GPUs and CPU was corrected", f"Watch whether it comes again. {_SERVICE}"),
    122: Meaning("reading the board's own memory (SPI) failed", _SERVICE),
    140: Meaning("an unrecovered ECC error", f"{_RESET} {_SERVICE}"),
    143: Meaning("initializing the GPU failed", f"{_RESET} {_SERVICE}"),
    144: Meaning("an NVLink error", f"Check the links; {_RESET[0].lower()}{_RESET[1:]}"),
    145: Meaning("an NVLink error", f"Check the links; {_RESET[0].lower()}{_RESET[1:]}"),
    149: Meaning("an NVLink error", f"Check the links; {_RESET[0].lower()}{_RESET[1:]}"),
    154: Meaning(
        "the driver says that the GPU needs a recovery",
        "`nvidia-smi -q` names it as GPU Recovery Action: reset, reboot or drain.",
    ),
}
UNKNOWN = Meaning(
    "a code that is not known here", "Look it up in NVIDIA's Xid catalogue, and in the kernel's log (`dmesg`)."
)


def meaning_of(code: int) -> Meaning:
    """The meaning of a code, or that it is not known."""
    return MEANINGS.get(code, UNKNOWN)
