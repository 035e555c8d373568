"""The faults: each a function of the suite, drawn by chance, which returns once the harm is done.

The suite then restarts what ended, waits until every task runs and gives output, and checks.
"""

from clickstream_chaos.faults import brokers, clocks, controllers, network, pods, records, volumes
from clickstream_chaos.faults.registry import ALL, TIME, Fault, draw, missing, possible

__all__ = [
    "ALL",
    "TIME",
    "Fault",
    "brokers",
    "clocks",
    "controllers",
    "draw",
    "missing",
    "network",
    "pods",
    "possible",
    "records",
    "volumes",
]
