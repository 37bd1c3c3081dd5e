"""The gateway as a client of Triton."""
