"""What a pod reads and writes on the control topics."""
