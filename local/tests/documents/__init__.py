"""Documents of the operator, of local and of the processor: one contract."""
