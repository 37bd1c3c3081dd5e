"""Programs that measure the service from outside, over HTTP."""
