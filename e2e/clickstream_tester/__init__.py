"""Runs inside the cluster, as applications do: sends clicks, asks queries, checks what came out.

Imports nothing of the product.
"""
