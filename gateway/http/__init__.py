"""Middleware and HTTP/1.1 protocol, independent of any endpoint."""
