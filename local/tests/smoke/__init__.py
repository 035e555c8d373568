"""What the smoke counts and compares."""
