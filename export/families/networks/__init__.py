"""Networks of families that transformers' own classes cannot run, or does not have."""
