"""The entry of models that take images: decodes them, and calls the steps that an input needs."""
