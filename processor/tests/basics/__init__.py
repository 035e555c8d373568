"""What the processor's folders stand on: settings, names of tasks, backlog, incidents, logs, crash points."""
