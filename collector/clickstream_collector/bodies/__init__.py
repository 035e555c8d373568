"""Bodies of requests: from bytes to a document, with bounds. No I/O, no clock."""
