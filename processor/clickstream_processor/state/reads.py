"""What a query reads of one user: committed state only, from any thread."""

from dataclasses import dataclass

from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records import Profile


@dataclass(frozen=True, slots=True)
class WindowCount:
    """The count of one window of a user."""

    start_ms: int
    end_ms: int
    clicks: int


@dataclass(frozen=True, slots=True)
class UserMetrics:
    """Everything known of one user at a time."""

    user_id: str
    profile: Profile | None
    rolling: int  # clicks with floor(event s) in (floor(at s) - size s, floor(at s)]
    windows: tuple[
        WindowCount, ...
    ]  # that hold or precede `at_ms` and are retained, newest first; counts > 0 only


def user_metrics(
    store: TaskStore, plan: Plan, user_id: str, at_ms: int, *, windows: bool = False
) -> UserMetrics | None:
    """Read one user; None where there is neither a profile nor a retained click. Raises StoreClosed."""
    raise NotImplementedError
