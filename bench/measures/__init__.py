"""One file for each figure of `python -m bench`: the measurement and its floor."""
