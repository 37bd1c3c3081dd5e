"""The HTTP API: OpenAI-style requests in, calls to Triton's gRPC out."""
