"""Side-by-side measurements: what a reading, a message and an open page cost, next to the least they could. Run by `make bench`.

Costs are CPU time, not wall time, and where there is something to compare with, both sides are measured in the same
run. Whether a bound holds is printed, never tested: only a figure that could not be measured is an error.
"""
