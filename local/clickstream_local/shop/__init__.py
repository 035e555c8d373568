"""A small shop with the tag in its page: a person clicks there, and the pipeline counts it."""
