"""What to do for an operation, and what to tell of it. Pure: it follows from what was seen alone.

An operation waits, starts, runs and ends; only its Job says that it has ended. One that was taken on, so has
a `startTime`, is before all others of its pipeline, and of the others the oldest is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clickstream_operator.condition import Condition, met, unmet
from clickstream_operator.errors import InvalidSpec
from clickstream_operator.kube.kinds import Document, Wanted
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.observed import condition
from clickstream_operator.operations import job as jobs
from clickstream_operator.operations.operation import Operation, Phase, Progress
from clickstream_operator.operations.seen import Seen, final_word, job_has, why_waiting
from clickstream_operator.spec.clickpipeline import parse

RUNNING_S = 3.0  # what pods say is seen by no watch
WAITING_S = 15.0  # events come sooner, mostly
_SHOWN = 1000
# What a pipeline must have before a Job starts; its search may be away.
_NEEDED = ("TopicsReady", "ProcessorsReady")


@dataclass(frozen=True, slots=True)
class Decision:
    """What comes of a look."""

    phase: Phase
    conditions: Sequence[Condition]
    word: Progress | None = None  # None: what was told before of it stays
    create: Sequence[Wanted] = ()  # after the status is written
    again_s: float | None = None


def is_finished(document: Document) -> bool:
    """Tell whether an operation has ended."""
    return bool((document.get("status") or {}).get("completionTime"))


def has_started(document: Document) -> bool:
    """Tell whether an operation was taken on."""
    return bool((document.get("status") or {}).get("startTime"))


def decide(operation: Operation, document: Document, platform: Platform, seen: Seen) -> Decision:
    """Return what to do for an operation that has not ended. `document`: with its last status."""
    job = seen.job(operation.uid)
    if job is not None and job_has(job, "Complete"):
        return _complete(operation, seen)
    if job is not None and (failure := job_has(job, "Failed")):
        return _failed(operation, seen, failure)
    if job is None and (problem := operation.problem()):
        return refused_expression(operation, problem)
    if job is None and (waits := _waits(operation, document, seen)):
        return waits
    missing = _missing(operation, platform, seen)
    if job is None:
        old = condition(document, "Complete")
        complete = unmet("Complete", "Starting", f"The operator makes the Job of the {operation.NOUN}.")
        if old.get("reason") == "ApplyRefused":  # told until it is not so any more
            complete = unmet("Complete", "ApplyRefused", old["message"])
        return _going(operation, Phase.STARTING, complete, create=missing, again_s=0)
    return replace(_runs(operation, document, job, seen), create=missing)


def refused_expression(operation: Operation, problem: str) -> Decision:
    """Return the end of an operation whose expressions cannot run."""
    message = f"{problem}. A {operation.NOUN} cannot be changed: make a new one."
    return _refused(
        unmet("Accepted", "InvalidExpression", message),
        unmet("Complete", "InvalidExpression", message),
        met("Failed", "InvalidExpression", message[:_SHOWN]),
    )


def refused_spec(problem: str) -> Decision:
    """Return the end of an operation that cannot be read."""
    return _refused(
        unmet("Accepted", "InvalidSpec", problem),
        unmet("Complete", "InvalidSpec", problem),
        met("Failed", "InvalidSpec", problem[:_SHOWN]),
    )


def refused_by_server(operation: Operation, decision: Decision, refusal: str) -> Decision:
    """Return what to tell where the API server does not take an object; it is tried again."""
    message = f"The API server refuses an object of the {operation.NOUN}, the operator tries again: {refusal}"
    complete = unmet("Complete", "ApplyRefused", message)
    return replace(decision, conditions=(_accepted(operation), complete, _nothing_failed()))


def first_of(operation: Operation, document: Document, others: Sequence[Document]) -> str:
    """Return kind and name of one on the same pipeline that comes first; empty where there is none."""
    mine = _age(document, operation.KIND.kind)
    before = [
        (not has_started(other), *_age(other, other["kind"]))
        for other in others
        if other["metadata"]["uid"] != operation.uid
        and other["spec"].get("pipeline") == operation.pipeline
        and not is_finished(other)
        and not other["metadata"].get("deletionTimestamp")
        and (has_started(other) or _age(other, other["kind"]) < mine)
    ]
    if not before:
        return ""
    _, _, name, kind = min(before)
    return f"{kind} {name}"


def _age(document: Document, kind: str) -> tuple[str, str, str]:
    meta = document["metadata"]
    return str(meta.get("creationTimestamp", "")), str(meta["name"]), kind


def _waits(operation: Operation, document: Document, seen: Seen) -> Decision | None:
    """Return why an operation without a Job does not start; None where nothing holds it."""
    name, noun = operation.pipeline, operation.NOUN
    if not has_started(document) and (other := first_of(operation, document, seen.others)):
        message = (
            f"{other} of {name} comes first: replays and erasures of a pipeline run one after the other."
        )
        return _waiting(unmet("Accepted", "AnotherRuns", message), message)
    if seen.pipeline is None:
        message = f"There is no ClickPipeline {name} in namespace {operation.namespace}: create it."
        return _waiting(unmet("Accepted", "PipelineNotFound", message), message)
    if problem := _not_ready(seen.pipeline):
        message = f"ClickPipeline {name} is not ready: {problem} The {noun} starts once it is."
        return _waiting(unmet("Accepted", "PipelineNotReady", message), message)
    if taken := seen.taken(operation.uid):
        message = f"{', '.join(taken)} exist and are not this {noun}'s: remove them, or rename the {noun}."
        return _waiting(unmet("Accepted", "NameTaken", message), message)
    return None


def _not_ready(pipeline: Document) -> str:
    """Return why no Job can work on a pipeline; empty when one can."""
    if pipeline["metadata"].get("deletionTimestamp"):
        return "it is being deleted."
    try:
        parse(pipeline)
    except InvalidSpec as invalid:
        return f"{str(invalid)[:_SHOWN]}."
    for kind in _NEEDED:
        found = condition(pipeline, kind)
        if found.get("status") != "True":
            words = f"{found.get('reason', '')}: {found.get('message', '')}" if found else "not known yet."
            return f"{kind} is not True, {words[:_SHOWN]}"
    return ""


def _missing(operation: Operation, platform: Platform, seen: Seen) -> list[Wanted]:
    """Return the objects that are not there. Without its pipeline an operation gets no new ones."""
    if seen.pipeline is None or _not_parsed(seen.pipeline):
        return []
    wanted = jobs.objects(operation, parse(seen.pipeline), platform)
    return [each for each in wanted if (each.kind.kind, each.name) not in seen.objects]


def _not_parsed(pipeline: Document) -> bool:
    try:
        parse(pipeline)
    except InvalidSpec:
        return True
    return False


def _runs(operation: Operation, document: Document, job: Document, seen: Seen) -> Decision:
    before, word, noun = str((document.get("status") or {}).get("phase", "")), seen.progress, operation.NOUN
    again = _tries(operation, job, seen)
    if word is not None:
        word = word.redacted(seen.redact)
        phase, complete = word.under_way(again)
        return _going(operation, phase, complete, word, again_s=RUNNING_S)
    if problem := why_waiting(seen.pods):
        message = f"The pod of the {noun} does not start: {seen.redact(problem)[:_SHOWN]}{again}"
        complete = unmet("Complete", "PodWaits", message)
        return _going(operation, Phase.STARTING, complete, again_s=RUNNING_S)
    if before in ("", Phase.WAITING, Phase.STARTING):
        message = f"The pod of the {noun} starts.{operation.needs()}{again}"
        complete = unmet("Complete", "Starting", message)
        return _going(operation, Phase.STARTING, complete, again_s=RUNNING_S)
    # It does not answer just now, or the next pod has not started.
    message = f"The pod of the {noun} does not answer just now.{again}"
    complete = unmet("Complete", "Running", message)
    return _going(operation, Phase(before), complete, again_s=RUNNING_S)


def _tries(operation: Operation, job: Document, seen: Seen) -> str:
    """Return a sentence about tries that failed; empty where none has."""
    failed = int(job.get("status", {}).get("failed") or 0)
    if not failed:
        return ""
    word, lines = final_word(operation, seen.pods)
    last = seen.redact(word.message if word else lines)[:_SHOWN]
    told = f" {failed} of {jobs.BACKOFF_LIMIT + 1} tries failed."
    return f"{told} The last one said: {last}" if last else told


def _complete(operation: Operation, seen: Seen) -> Decision:
    word, _ = final_word(operation, seen.pods)
    if word is None:
        message = "All is done, but the pod and its report are gone: the numbers are those of the last look."
        complete = met("Complete", "ReportLost", message)
        return _end(operation, Phase.COMPLETE, complete, _nothing_failed())
    word = word.redacted(seen.redact)
    if word.phase == "done":
        return _end(operation, Phase.COMPLETE, word.completed(), _nothing_failed(), word)
    message = word.cut_off()
    complete = unmet("Complete", "Interrupted", message)
    return _end(operation, Phase.FAILED, complete, met("Failed", "Interrupted", message), word)


def _failed(operation: Operation, seen: Seen, failure: Document) -> Decision:
    word, lines = final_word(operation, seen.pods)
    said = seen.redact((word.message if word else lines) or str(failure.get("message", "")))[:_SHOWN]
    told = word.redacted(seen.redact) if word else None
    if failure.get("reason") == "DeadlineExceeded":
        hours = jobs.DEADLINE_S // 3600
        message = f"It took longer than {hours} hours and was stopped. {operation.AFTER_FAILURE}"
        complete = unmet("Complete", "DeadlineExceeded", message)
        return _end(operation, Phase.FAILED, complete, met("Failed", "DeadlineExceeded", message), told)
    message = f"The Job failed: {said} {operation.AFTER_FAILURE}"
    complete = unmet("Complete", "JobFailed", message)
    return _end(operation, Phase.FAILED, complete, met("Failed", "JobFailed", message), told)


def _accepted(operation: Operation) -> Condition:
    return met("Accepted", "Accepted", f"The {operation.NOUN} was taken on.")


def _nothing_failed() -> Condition:
    return unmet("Failed", "NotFailed", "Nothing has failed.")


def _waiting(accepted: Condition, message: str) -> Decision:
    complete = unmet("Complete", "Waiting", message)
    return Decision(Phase.WAITING, (accepted, complete, _nothing_failed()), again_s=WAITING_S)


def _going(
    operation: Operation,
    phase: Phase,
    complete: Condition,
    word: Progress | None = None,
    *,
    create: Sequence[Wanted] = (),
    again_s: float,
) -> Decision:
    conditions = (_accepted(operation), complete, _nothing_failed())
    return Decision(phase, conditions, word, create, again_s)


def _end(
    operation: Operation, phase: Phase, complete: Condition, failed: Condition, word: Progress | None = None
) -> Decision:
    return Decision(phase, (_accepted(operation), complete, failed), word)


def _refused(accepted: Condition, complete: Condition, failed: Condition) -> Decision:
    return Decision(Phase.FAILED, (accepted, complete, failed))
