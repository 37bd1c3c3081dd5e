"""NIM's HTTP endpoints: bodies, handlers and errors."""
