"""The HTTP API of OpenAI and NIM in front of Triton's gRPC API."""
