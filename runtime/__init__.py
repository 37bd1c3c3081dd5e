"""Plumbing of every process: settings, logs, addresses."""
