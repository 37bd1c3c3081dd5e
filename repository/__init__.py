"""A model repository on disk: written by `export`, read by `serve`."""
