"""`make smoke`: every output against a count of its own."""
