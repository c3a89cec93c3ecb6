"""One file for each figure of `python -m bench`: what is measured, and against what."""
