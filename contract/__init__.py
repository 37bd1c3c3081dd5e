"""Contract between all processes: pipelines, model spec, options, names, tensors and errors.

It needs the standard library only, so that the Python processes inside Triton can import it as well
as the gateway, the export and the supervisor.
"""
