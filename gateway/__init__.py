"""The HTTP API: OpenAI-style requests in, inferences over Triton's own HTTP API out."""
