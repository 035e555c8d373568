"""What the processor's tests share; no tests."""
