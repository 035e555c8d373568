"""What analytics SDKs say, as clicks: one module a vocabulary. No I/O, no clock."""
