"""The parity gate: the finished model against its reference."""
