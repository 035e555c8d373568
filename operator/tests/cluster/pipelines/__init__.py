"""A pipeline's life on a cluster: its source, its pods, its neighbours, its end."""
