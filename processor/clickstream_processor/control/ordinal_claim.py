"""How a process makes an ordinal its own, and notices that another process has it (R9).

Pure: fed with what the acks topic says and the time. In order:

1. The acks are read to their end.
2. Has the ordinal's last process ended? It said so, or the data directory's lock proves it; else its silence
   for 3.5 s does, confirmed by reading the acks to their end once more. A sign of life: this is the twin.
3. A first heartbeat with an incarnation one higher goes out, and is read back.

From then on a heartbeat of another process with an incarnation as high means that this one is the twin.
"""

from enum import Enum, auto

from clickstream_processor.control.instance import Instance
from clickstream_processor.control.view import PodProcess
from clickstream_processor.errors import TwinDetected

SILENCE_S = 3.5  # three heartbeats missed and a half
_RESEND_S = 2.0


class ClaimStep(Enum):
    """What the caller does next."""

    WAIT = auto()
    READ_TO_END = auto()  # ask for the acks' end as of now, and come back when it is read
    SEND = auto()  # send a heartbeat with `incarnation`
    DONE = auto()


class OrdinalClaim:
    """The claim of one process on its ordinal."""

    def __init__(self, ordinal: int, instance: Instance) -> None:
        self._ordinal, self._instance = ordinal, instance
        self.incarnation = 0  # of this process; 0 before its first heartbeat
        self.done = False
        self._reads = 0  # how often the acks were read to their end
        self._waiting_since_s: float | None = None
        self._last_sign_ms = 0  # the other's own time, only compared for equality
        self._sent_s = 0.0

    @property
    def history_read(self) -> bool:
        """Tell whether the acks that were there at the start are read."""
        return self._reads > 0

    def next_step(self, now_s: float, pod: PodProcess | None) -> ClaimStep:
        """Return what to do; `pod` is what the acks say of the ordinal. Raises TwinDetected."""
        self.check(pod)
        if self.done:
            return ClaimStep.DONE
        if self.incarnation:
            return self._await_first_heartbeat(now_s, pod)
        if self._reads == 0:
            return ClaimStep.READ_TO_END
        if pod is not None and not self._has_ended(pod):
            if self._waiting_since_s is None:
                self._waiting_since_s, self._last_sign_ms = now_s, pod.heartbeat.at_ms
            self._check_silence(pod)
            if now_s - self._waiting_since_s < SILENCE_S:
                return ClaimStep.WAIT
            if self._reads == 1:  # with Kafka away silence proves nothing
                return ClaimStep.READ_TO_END
        self.incarnation = pod.heartbeat.incarnation + 1 if pod else 1
        self._sent_s = now_s
        return ClaimStep.SEND

    def end_reached(self) -> None:
        """Note that the acks are read to the end asked for at READ_TO_END."""
        self._reads += 1

    def check(self, pod: PodProcess | None) -> None:
        """Raise TwinDetected if another process has the ordinal with a right at least as good."""
        if self.incarnation == 0 or pod is None or pod.heartbeat.instance == self._instance.id:
            return
        if pod.heartbeat.incarnation >= self.incarnation:
            raise TwinDetected(
                f"another process was started as pod {self._ordinal} of this pipeline "
                f"(instance {pod.heartbeat.instance}) while this one ran ({self._instance.id}). "
                "This one ends; give each process an ordinal of its own"
            )

    def _await_first_heartbeat(self, now_s: float, pod: PodProcess | None) -> ClaimStep:
        if pod is not None and pod.heartbeat.instance == self._instance.id:
            self.done = True
            return ClaimStep.DONE
        if now_s - self._sent_s < _RESEND_S:
            return ClaimStep.WAIT
        self._sent_s = now_s
        return ClaimStep.SEND

    def _has_ended(self, pod: PodProcess) -> bool:
        return pod.heartbeat.ended or self._instance.knows_ended(pod.heartbeat.instance)

    def _check_silence(self, pod: PodProcess) -> None:
        if pod.heartbeat.at_ms != self._last_sign_ms:
            raise TwinDetected(
                f"another process runs as pod {self._ordinal} of this pipeline "
                f"(instance {pod.heartbeat.instance}) and gives heartbeats. This one ends; "
                "stop the other first, or set CLICKSTREAM_ORDINAL"
            )
