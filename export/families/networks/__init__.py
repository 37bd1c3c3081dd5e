"""Networks of families whose transformers classes do not exist or cannot run on packed tokens."""
