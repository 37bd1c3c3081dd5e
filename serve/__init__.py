"""The supervisor: starts Triton and the gateway on one machine and keeps them running."""
