"""The last step of an ensemble: truncates and quantizes vectors as requested."""
