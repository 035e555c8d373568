"""What the machine gives: processes, ports, programs, memory, HTTP."""
