"""The status of an operation, from what was decided and what was told before. Pure."""

from collections.abc import Iterator, Sequence

from clickstream_operator.condition import Condition
from clickstream_operator.kube.kinds import Document
from clickstream_operator.kube.times import epoch_s, stamp
from clickstream_operator.operations.decide import Decision
from clickstream_operator.operations.operation import ENDS, Phase


def status_of(document: Document, decision: Decision, now_s: float, told: Sequence[str]) -> Document:
    """Return the status, its conditions without times.

    `told`: the fields of the operation's own, which stay where nothing new is known of them.
    """
    before: Document = document.get("status") or {}
    generation = document["metadata"].get("generation", 0)
    status: Document = {"observedGeneration": generation, "phase": decision.phase.value}
    if started := before.get("startTime") or (stamp(now_s) if _is_taken_on(decision) else None):
        status["startTime"] = started
    if decision.phase in ENDS:
        status["completionTime"] = before.get("completionTime") or stamp(now_s)
    status |= {name: before[name] for name in told if name in before}
    if decision.word is not None:
        status |= decision.word.fields(before)
    if decision.phase == Phase.COMPLETE and "progress" in told:
        status["progress"] = "100 %"
    status["conditions"] = [_condition(each, generation) for each in decision.conditions]
    return status


def remaining_s(document: Document, ttl_s: float, now_s: float) -> float:
    """Return how long an ended operation stays; 0 or less: it is to go."""
    return epoch_s(document["status"]["completionTime"]) + ttl_s - now_s


def gains(status: Document, document: Document) -> Iterator[tuple[str, int]]:
    """Yield (outcome, letters) of what was told last of a replay and was not told before."""
    before: Document = document.get("status") or {}
    for outcome, field in (("replayed", "replayed"), ("failed_again", "failedAgain"), ("skipped", "skipped")):
        if (gain := status.get(field, 0) - before.get(field, 0)) > 0:
            yield outcome, gain


def _is_taken_on(decision: Decision) -> bool:
    return any(each.type == "Accepted" and each.truth == "True" for each in decision.conditions)


def _condition(each: Condition, generation: int) -> Document:
    return {
        "type": each.type,
        "status": each.truth.value,
        "observedGeneration": generation,
        "reason": each.reason,
        "message": each.message,
    }
