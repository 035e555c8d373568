"""The parser, and one verdict of operator and pods on each document."""
