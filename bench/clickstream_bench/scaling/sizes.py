"""How much is measured: the full sizes, and the quick ones that only show that each part works."""

import argparse
from dataclasses import dataclass

PODS = (1, 2, 4)
PODS_PARTITIONS = 12
PARTITIONS = (4, 16, 64)
STEADY_S = 5_000.0  # clicks a second, where they come steadily


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of one run."""

    rounds: int
    clicks: int  # of each full ingest; of each case of users at least as many as users
    users: int  # where their number is not what is varied
    user_counts: tuple[int, ...]
    memory_mib: int  # limit of a pod in the cases of users
    visit: int  # clicks of a user in a row, in the cases of users
    soak_s: float
    query_s: float  # each phase of queries
    postgres_s: float  # each phase of PostgreSQL

    @staticmethod
    def of(options: argparse.Namespace) -> "Sizes":
        """Return the sizes that the command line asks for."""
        quick: bool = options.quick
        return Sizes(
            rounds=options.rounds or (1 if quick else 3),
            clicks=options.clicks or (150_000 if quick else 2_000_000),
            users=options.users,
            user_counts=options.user_counts
            or ((1_000, 20_000, 100_000) if quick else (1_000, 20_000, 300_000, 3_000_000)),
            memory_mib=options.memory_mib,
            visit=options.visit,
            soak_s=60 * (options.soak_minutes or (0.5 if quick else 10.0)),
            query_s=5.0 if quick else 20.0,
            postgres_s=10.0 if quick else 60.0,
        )
