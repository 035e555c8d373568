"""At the end of a run: what owners and standbys have on disk, and what is left of erased users."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from clickstream_local.machine.process import stop_all

from clickstream_chaos.checking.checker import Checker, Topic
from clickstream_chaos.checking.database import Damaged, compare
from clickstream_chaos.checking.traces import ChangelogTraces, Heartbeats, users_in_files
from clickstream_chaos.load.pool import STAYING
from clickstream_chaos.pipeline import WINDOW_MS, Pipeline
from clickstream_chaos.waiting import NotInTime, eventually

PURGED_S = 120.0


@dataclass(slots=True)
class Found:
    """What was compared, and in words what is wrong."""

    states: int = 0  # databases that were compared
    damaged: int = 0  # of them, those with a damaged block
    wrong: list[str] = field(default_factory=list)


def compare_states(pipeline: Pipeline, checker: Checker, damages: int) -> Found:
    """Stop all pods where they are, and compare what they have with the model. Raises NotInTime.

    `damages`: how many databases a fault has damaged.
    """
    found = Found()
    for number in pipeline.controllers():
        pipeline.controller(number).kill()  # or it would move the tasks of pods that stop
    pods = pipeline.running()
    eventually("every standby has caught up", lambda: all(map(pipeline.caught_up, pods)), 60)
    found.wrong += _erased_in_changelog(pipeline, checker, pods)
    tasks = {ordinal: pipeline.status(ordinal)["tasks"] for ordinal in pods}
    stop_all([pipeline.pod(ordinal) for ordinal in pods])
    gone, seen = checker.gone(), set[str]()
    for ordinal in pods:
        for name in tasks[ordinal]:
            if not name.startswith("clicks-"):
                continue  # what the metric's tasks hold shows in their topic
            partition = int(name.removeprefix("clicks-"))
            database = pipeline.data(ordinal) / "tasks" / name
            files = users_in_files(database, {*gone, *STAYING})
            seen |= files.keys()
            wrong = [f"{user} is erased, and is in {files[user]}" for user in sorted(files.keys() & gone)]
            found.wrong += [f"{name} on pod {ordinal}: {text}" for text in wrong]
            try:
                wrong = compare(database, checker.state_of(partition), WINDOW_MS)
            except Damaged as error:
                found.damaged += 1
                if found.damaged <= damages:  # it is rebuilt once somebody reads the block
                    continue
                wrong = [str(error)]
            found.wrong += [f"state of {name} on pod {ordinal}: {text}" for text in wrong]
            found.states += 1
    if gone and not seen.intersection(STAYING):
        found.wrong.append("who was not erased is in no file: nobody who was would be found there")
    return found


def _erased_in_changelog(pipeline: Pipeline, checker: Checker, pods: Sequence[int]) -> list[str]:
    """Return what the changelog has of erased users; wait until the pods' files have nothing of them."""
    traces = ChangelogTraces(checker.erased())
    changelog = Topic(pipeline.bootstrap, pipeline.topic("changelog"), pipeline.shape.partitions)
    traces.take(changelog.read())
    acks, heartbeats = Topic(pipeline.bootstrap, pipeline.topic("acks"), 1), Heartbeats()

    def purged() -> bool:
        heartbeats.take(acks.read())
        return not heartbeats.unpurged(pods, traces.signs)

    try:
        eventually("every state has rewritten its files", purged, PURGED_S)
    except NotInTime as error:
        return [*traces.wrong(), f"{error}: {', '.join(heartbeats.unpurged(pods, traces.signs)[:5])}"]
    return traces.wrong()
