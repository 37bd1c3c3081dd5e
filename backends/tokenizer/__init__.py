"""The first step of an ensemble: text to token ids."""
