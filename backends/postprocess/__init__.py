"""The last step of an ensemble: truncates and quantizes vectors as each request's options say."""
