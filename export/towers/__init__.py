"""PyTorch modules on packed tokens: the encoder that is exported."""
