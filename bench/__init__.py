"""Side-by-side measurements of what a reading, a message and an open page cost, against a floor. `make bench` runs them.

Costs are CPU time, and both sides of a ratio are measured in the same run. A missed bound is printed and is no error; a
figure that could not be measured is one.
"""
