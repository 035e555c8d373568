"""The objects of a pipeline as documents."""
