"""The operator as a service: its queue, its controllers, their rights, what it logs, its documentation."""
