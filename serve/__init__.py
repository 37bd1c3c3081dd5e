"""Runs Triton and the gateway side by side on one machine, and keeps them running."""
