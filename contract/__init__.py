"""What every part of triton-embed agrees on: names, options, the model spec and the errors.

It knows nothing of Triton, HTTP or torch, so that it can be imported inside Triton's Python
processes as well as by the gateway, the exporter and the supervisor.
"""
