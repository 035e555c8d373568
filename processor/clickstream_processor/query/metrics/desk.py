"""Where questions about metrics are answered: the list of them, and windows of one.

Readers get an answer over all tasks; where many keys are read, one that is at most a second old. Peers get
one over the tasks that they name, as far as this pod can read them.
"""

import time
from collections.abc import Mapping, Sequence

import msgspec

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.directory import Directory
from clickstream_processor.query.http.peers import ANSWER_BYTES, PeerClient
from clickstream_processor.query.http.problems import Problem, malformed
from clickstream_processor.query.metrics import partition_list
from clickstream_processor.query.metrics.fan_out import ANY, OWNER, FanOut, PodsQuestion
from clickstream_processor.query.metrics.local import LocalMetrics, places
from clickstream_processor.query.metrics.merge import merge_results, merge_tasks, metric_list, result
from clickstream_processor.query.metrics.pod_answer import PodResult, PodTasks
from clickstream_processor.query.metrics.question import (
    PEER_PARAMETERS,
    Question,
    key_parameters,
    peer_parameters,
    peer_question,
)
from clickstream_processor.query.metrics.reading.reading import WindowsRead
from clickstream_processor.query.metrics.recent import Recent
from clickstream_processor.query.metrics.refusals import answer_too_large, expired_window, nobody_answered
from clickstream_processor.query.users.answer import Answer, staleness_of
from clickstream_processor.query.users.turns import TurnLimits

TASKS_PATH = "/peer/metric-tasks"
WINDOWS_PATH = "/peer/metric-windows"
TASKS_PARAMETERS = frozenset({"partitions", "role"})
KEPT_ANSWERS = 64

_encode = msgspec.json.encode
_decode_tasks = msgspec.json.Decoder(PodTasks).decode
_decode_result = msgspec.json.Decoder(PodResult).decode


class MetricsDesk:
    """Answers from all pods, and to them. `hop_s`: the time a hop may take beside the reading."""

    def __init__(
        self,
        directory: Directory,
        metrics: Sequence[Metric],
        local: LocalMetrics,
        peers: PeerClient,
        partitions: int,
        hop_s: float,
        scans: TurnLimits,
    ) -> None:
        self.windows_parameters = PEER_PARAMETERS | key_parameters(metrics)
        self._directory, self._peers = directory, peers
        self._metrics = tuple(metrics)
        self._by_identity = {metric.identity.hex(): metric for metric in metrics}
        self._local = local
        self._partitions = partitions
        self._hop_s, self._scan_s = hop_s, hop_s + scans.wait_s + scans.read_s
        self._recent: Recent[Answer] = Recent(KEPT_ANSWERS)

    def metric(self, name: str) -> Metric:
        """Return a metric by its name; raises Problem 404."""
        for metric in self._metrics:
            if metric.name == name:
                return metric
        names = sorted(metric.name for metric in self._metrics)
        raise Problem(
            404,
            "unknown-metric",
            f"The pipeline has no metric {name[:80]!r}; it has {', '.join(names) or 'none'}.",
            metrics=names,
        )

    async def all_metrics(self) -> Answer:
        """Return the metrics and how far they are, at most a second old; raises Problem 503."""
        return await self._recent.get(None, self._list)

    async def windows(self, question: Question) -> Answer:
        """Return windows of a metric. Raises Problem 400 (no longer kept) and 503."""
        read = question.read
        if read.match.is_one_key:
            return await self._windows(question)
        exactly = (read.metric.name, read.windows, read.match, read.top, question.is_exact)
        return await self._recent.get(exactly, lambda: self._windows(question))

    async def peer_tasks(self, parameters: Mapping[str, str]) -> PodTasks:
        """Answer a peer from this pod alone; raises Problem 400, 503."""
        partitions, as_owner = self._asked(parameters)
        return await self._local.tasks(self._metrics, partitions, _now_ms(), as_owner=as_owner)

    async def peer_windows(self, parameters: Mapping[str, str]) -> bytes:
        """Answer a peer from this pod alone, as JSON; raises Problem 400, 404, 503."""
        partitions, as_owner = self._asked(parameters)
        read = peer_question(self._by_identity, parameters)
        found = _encode(await self._local.result(read, partitions, _now_ms(), as_owner=as_owner))
        if len(found) > ANSWER_BYTES:
            raise answer_too_large()
        return found

    async def _list(self) -> Answer:
        if not self._metrics:
            return Answer(200, _encode(metric_list((), PodTasks(0, ()), ())))
        question = PodsQuestion(
            TASKS_PATH,
            {},
            local=lambda partitions, as_owner: self._local.tasks(
                self._metrics, partitions, _now_ms(), as_owner=as_owner
            ),
            decode=_decode_tasks,
            tasks_of=lambda tasks: tasks,
            hop_s=self._scan_s,
        )
        found, missing = await FanOut(self._directory, self._peers, question).ask(range(self._partitions))
        tasks = merge_tasks(found, 0)
        return Answer(200, _encode(metric_list(self._metrics, tasks, missing)), staleness_of(tasks.age_ms))

    async def _windows(self, question: Question) -> Answer:
        read, asked = question.read, list(range(self._partitions))
        if read.match.is_one_key:
            asked = sorted({partition for partition, _ in places(read, self._partitions)})
        pods_question = PodsQuestion(
            WINDOWS_PATH,
            peer_parameters(read),
            local=lambda partitions, as_owner: self._local.result(
                read, partitions, _now_ms(), as_owner=as_owner
            ),
            decode=lambda body: _fitting(_decode_result(body), read),
            tasks_of=lambda found: found.tasks,
            hop_s=self._hop_s if read.match.is_one_key else self._scan_s,
        )
        parts, missing = await FanOut(self._directory, self._peers, pods_question).ask(asked)
        if len(missing) == len(asked):
            raise nobody_answered(missing)
        found = merge_results(read.metric, parts, 0, read.top)
        if question.is_exact and read.windows[0] < found.kept_ms:
            raise expired_window(read.windows[0], found.kept_ms)
        body = _encode(result(read.metric, found, missing, top=read.top, now_ms=_now_ms()))
        if len(body) > ANSWER_BYTES:
            raise answer_too_large()
        return Answer(200, body, staleness_of(found.tasks.age_ms))

    def _asked(self, parameters: Mapping[str, str]) -> tuple[Sequence[int], bool]:
        """Return of which partitions a peer asks, and whether as their owner; raises Problem 400."""
        role = parameters.get("role", OWNER)
        if role not in (OWNER, ANY):
            raise malformed("role must be owner or any.", "role")
        try:
            return partition_list.read(parameters.get("partitions", ""), self._partitions), role == OWNER
        except ValueError as error:
            raise malformed(f"partitions: {error}.", "partitions") from error


def _fitting(found: PodResult, read: WindowsRead) -> PodResult:
    """Return what a pod said; raises ValidationError where it is about other windows."""
    if found.tasks.partitions and [window.start_ms for window in found.windows] != list(read.windows):
        raise msgspec.ValidationError("other windows than were asked for")
    return found


def _now_ms() -> int:
    return int(time.time() * 1000)
