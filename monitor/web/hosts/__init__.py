"""The page of all hosts, and the pages of one host among several."""
