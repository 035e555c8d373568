"""How fast the collector is: beside a bare handler, in batches, and at half of its load."""
