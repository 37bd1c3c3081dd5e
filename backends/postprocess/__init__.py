"""The last step of an ensemble: cut and quantise the vectors as each request asks."""
