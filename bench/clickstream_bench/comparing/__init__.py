"""The systems beside each other on one broker, and what a quick run is compared with."""
