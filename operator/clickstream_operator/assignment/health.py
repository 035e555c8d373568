"""How each pod looks, from what was heard of it; rule R16 of protocol.md. The time is an argument.

Times are this controller's monotonic seconds at which it heard something: no pod's clock is compared
with its own. While Kafka could not be read nothing could be heard, so silence counts from `regained` on.
"""

from dataclasses import dataclass

from clickstream_operator.assignment.planner import PodHealth
from clickstream_operator.assignment.records import Heartbeat

STALL_FACTOR = 3  # a pod that lives but does not get on may recover by itself; a dead one will not
ABSENT_AFTER_S = (
    60.0  # beyond failoverAfter: long enough for a restart or a roll-out, then standbys are replaced
)
PENANCE_FACTOR = 12  # a pod that stalled gets nothing back for so long: its fault shows only under load


@dataclass(slots=True)
class _Signs:
    """The last signs of one pod, monotonic seconds."""

    heard_s: float
    answered_s: float
    progressed_s: float
    worker_silent_s: float = 0.0
    volume_refuses: bool = False
    commits: int = 0
    instance: str = ""
    stalled_s: float = float("-inf")  # when it was last found stalled


class PodWatch:
    """Hears the pods' signs and judges them."""

    def __init__(self, failover_after_s: float, now_s: float) -> None:
        self.failover_after_s = failover_after_s
        self._contact_s = now_s
        self._signs: dict[int, _Signs] = {}

    def expect(self, ordinal: int, now_s: float) -> None:
        """Note a pod that must exist though nothing was heard of it: it has failoverAfter to show itself."""
        self._signs.setdefault(ordinal, _Signs(now_s, now_s, now_s))

    def hear(self, beat: Heartbeat, now_s: float) -> None:
        """Take in a heartbeat."""
        self.expect(beat.ordinal, now_s)
        signs = self._signs[beat.ordinal]
        signs.heard_s = now_s
        waits = any(t.role == "owner" and t.phase == "running" and t.lag_records for t in beat.tasks.values())
        if not waits or beat.commits > signs.commits or beat.instance != signs.instance:
            signs.progressed_s = now_s
        signs.commits, signs.instance = beat.commits, beat.instance
        signs.worker_silent_s = beat.worker_silent_ms / 1_000
        signs.volume_refuses = beat.volume_refuses

    def answer(self, ordinal: int, now_s: float) -> None:
        """Note that the pod's HTTP port answered."""
        if ordinal in self._signs:
            self._signs[ordinal].answered_s = now_s

    def regained(self, now_s: float) -> None:
        """Note that Kafka can be read again: what was not heard before proves nothing."""
        self._contact_s = now_s

    def to_probe(self, now_s: float) -> list[int]:
        """Return the pods whose HTTP port is to be asked: their heartbeats are late."""
        return [o for o, signs in self._signs.items() if self._silent_s(signs, now_s) >= self._late_s]

    def judge(self, now_s: float) -> dict[int, PodHealth]:
        """Return the health of every pod known."""
        verdicts = {o: self._by_silence(signs, now_s) for o, signs in self._signs.items()}
        stuck = {o for o, signs in self._signs.items() if self._is_stuck(o, signs, verdicts, now_s)}
        known = [o for o in verdicts if verdicts[o] is not PodHealth.ABSENT]
        for ordinal in stuck:
            others = [o for o in known if o != ordinal]
            well = [o for o in others if verdicts[o] is PodHealth.WELL and o not in stuck]
            if 2 * len(well) > len(others):  # else the fault is not the pod's
                self._signs[ordinal].stalled_s = now_s
                verdicts[ordinal] = PodHealth.DEAD
        for ordinal, signs in self._signs.items():
            penance_s = PENANCE_FACTOR * self.failover_after_s
            if verdicts[ordinal] is PodHealth.WELL and now_s - signs.stalled_s < penance_s:
                verdicts[ordinal] = PodHealth.SILENT
        return verdicts

    @property
    def _late_s(self) -> float:
        return min(2.5, self.failover_after_s / 2)

    def _silent_s(self, signs: _Signs, now_s: float) -> float:
        return now_s - max(signs.heard_s, self._contact_s)

    def _by_silence(self, signs: _Signs, now_s: float) -> PodHealth:
        """Judge by heartbeats and HTTP: both must be silent for a pod to be dead."""
        silent_s = self._silent_s(signs, now_s)
        unanswered_s = min(silent_s, now_s - signs.answered_s)
        if silent_s < self._late_s:
            return PodHealth.WELL
        if unanswered_s < self.failover_after_s:
            return PodHealth.SILENT
        return PodHealth.DEAD if unanswered_s < self.failover_after_s + ABSENT_AFTER_S else PodHealth.ABSENT

    def _is_stuck(self, ordinal: int, signs: _Signs, verdicts: dict[int, PodHealth], now_s: float) -> bool:
        """Tell whether the pod lives and does not get on.

        Its volume refuses to be written, its input waits, or it is cut off from Kafka.
        """
        if signs.volume_refuses and verdicts[ordinal] in (PodHealth.WELL, PodHealth.SILENT):
            return True
        limit_s = STALL_FACTOR * self.failover_after_s
        if verdicts[ordinal] is PodHealth.WELL:
            stands_s = now_s - max(signs.progressed_s, self._contact_s)
            hangs_s = min(signs.worker_silent_s, now_s - self._contact_s)
            return max(stands_s, hangs_s) >= limit_s
        return verdicts[ordinal] is PodHealth.SILENT and self._silent_s(signs, now_s) >= limit_s
