"""The two ports: events on one, probes and metrics on the other. The only folder with aiohttp."""
