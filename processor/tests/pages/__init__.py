"""The pages, as they are served and in a browser."""
