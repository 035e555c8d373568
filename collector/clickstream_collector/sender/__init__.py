"""Who sends: write keys and their rates, the client's address, its user agent."""
