"""The command ``embed``: files of texts in, files of vectors out, with a server in between."""
