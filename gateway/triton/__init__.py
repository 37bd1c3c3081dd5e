"""The gateway's client of Triton: addresses, models, inferences and statistics."""
