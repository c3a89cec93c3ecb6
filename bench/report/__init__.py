"""The tables of docs/benchmarks.md, which are made by a run."""
