"""For each rule a course of events that does harm without it, and none with it (docs/reference/protocol.md).

Every course needs pods 0 and 1 behind proxies. The assignment comes from a puppet, so that the course is the
same each time: no chance, no waiting for a controller's judgement. `run` returns the verdict; with the rule
switched off it must not be complete.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clickstream_local.parts.kafka import Kafka
from confluent_kafka import Producer

from clickstream_chaos.checking.checker import Topic, Verdict
from clickstream_chaos.load.pool import LEAVING
from clickstream_chaos.pipeline import Shape
from clickstream_chaos.proxy.proxy import Proxy
from clickstream_chaos.puppet import Puppet
from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import NotInTime, eventually

A, B, C = 0, 1, 2
GHOST = "ghost"
PATIENCE_S = 180.0  # a machine that runs other things too is slow
# What a pod logs whose producer was fenced, and one that does not go on with a task.
FENCED, REFUSED = "transaction given up", " stops: "
BRIEF = {  # tombstones vanish within seconds
    "delete.retention.ms": "500",
    "segment.ms": "500",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "1000",
}


class Course:
    """A small pipeline with a puppet, and the moves that the courses are made of."""

    def __init__(
        self,
        folder: Path,
        kafka: Kafka,
        proxies: dict[int, Proxy],
        skip_rule: str,
        seed: int,
        drain_s: float,
        commit_interval: str = "100ms",
        brief: Sequence[str] = ("profiles",),
    ) -> None:
        """`brief`: the topics that soon forget what is deleted."""
        shape = Shape(partitions=2, pods=3, standbys=0, commit_interval=commit_interval)
        self.suite = Suite(folder, kafka, seed, print, shape, rate=200, proxies=proxies)
        self.pipeline, self.proxies = self.suite.pipeline, proxies
        if skip_rule:
            self.pipeline.environment["CLICKSTREAM_UNSAFE_SKIP_RULE"] = skip_rule
        self._drain_s, self._brief, self._skips = drain_s, brief, bool(skip_rule)
        self._kafka = kafka
        self._producer = Producer(
            {"bootstrap.servers": kafka.bootstrap, "log_level": 0, "partitioner": "murmur2_random"}
        )

    def begin(self) -> None:
        """Start with pod A as owner of everything, and clicks that flow."""
        self.pipeline.create_topics(dict.fromkeys(self._brief, BRIEF))
        self.suite.load.send_profiles()
        self.tell_of_ghost({"user_id": GHOST, "name": "G", "email": "", "country": "US", "plan_tier": "free"})
        self.puppet = Puppet(self._kafka.bootstrap, self.pipeline.id, self.pipeline.shape.partitions)
        self.puppet.give_all(A, started=False)
        self.pipeline.pod(A).start()
        self.suite.begin()

    def tell_of_ghost(self, profile: dict[str, str] | None) -> None:
        """Write or delete the profile of a user that the model knows nothing of."""
        value = None if profile is None else json.dumps(profile)
        self._producer.produce(self.pipeline.topic("profiles"), value, GHOST)
        self._producer.flush()

    def ghost_clicks(self) -> None:
        """Send a click of the ghost."""
        event_ms = self.suite.load.event_ms()
        click = {"user_id": GHOST, "page_url": "/", "action": "view", "timestamp": event_ms}
        self._producer.produce(self.pipeline.topic("clicks"), json.dumps(click), GHOST, timestamp=event_ms)
        self._producer.flush()

    def ghost_is_gone(self) -> bool:
        """Tell whether compaction has removed even the ghost's tombstone; writes, so that segments roll."""
        self.suite.load.send_profiles()
        topic = self.pipeline.topic("profiles")
        reader = Topic(self._kafka.bootstrap, topic, self.pipeline.shape.partitions)
        return all(message.key() != GHOST.encode() for message in reader.read())

    def erase(self, user: str) -> None:
        """Erase a user of the pool."""
        self.suite.load.leave(user)
        eventually("the brokers have all of the user", lambda: self.suite.load.has_left(user), PATIENCE_S)
        erasure = self.pipeline.erasure(0, [user])
        erasure.start()
        eventually("the erasure ends", lambda: erasure.exit_status is not None, 240)
        if erasure.exit_status != 0:
            raise NotInTime(f"the erasure ended with {erasure.exit_status}: {erasure.tail(1)}")

    def changelog_names(self, user: str) -> bool:
        """Tell whether the changelog has a record of a user, be it a tombstone."""
        topic = self.pipeline.topic("changelog")
        reader = Topic(self._kafka.bootstrap, topic, self.pipeline.shape.partitions)
        return any(user.encode() in (message.key() or b"") for message in reader.read())

    def fall_silent(self) -> None:
        """Let no clicks come, and wait until all that came are through: then no pod has anything open."""
        self.suite.load.pause()
        eventually("all clicks are through", lambda: self.suite.checker.check().complete(), PATIENCE_S)

    def owner_runs(self, ordinal: int) -> None:
        """Wait until a pod runs every task."""
        eventually(
            f"pod {ordinal} runs every task",
            lambda: list(self.pipeline.owners().values()) == [ordinal] * self.pipeline.shape.partitions,
            PATIENCE_S,
        )

    def pod_runs(self, ordinal: int) -> None:
        """Wait until a pod runs every task, whatever the others believe."""
        everything = self.pipeline.shape.partitions
        eventually(
            f"pod {ordinal} runs every task", lambda: self.pipeline.runs(ordinal) == everything, PATIENCE_S
        )

    def shows(self, ordinal: int, word: str) -> None:
        """Wait until a pod without the rule has done harm, or one with it has logged that it does none."""

        def shown() -> bool:
            if self._skips:
                return self.suite.checker.check().wrong()
            return word in self.pipeline.pod(ordinal).log.read_text(errors="replace")

        eventually("harm is done" if self._skips else f"pod {ordinal} says: {word}", shown, PATIENCE_S)

    def output_flows(self) -> None:
        """Wait for new output of every partition."""
        self.suite.wait_for_output()

    def end(self) -> Verdict:
        """Stop the load, wait for what is missing, and return the verdict."""
        return self.suite.finish(self._drain_s)

    def stop(self) -> None:
        """Stop everything."""
        for proxy in self.proxies.values():
            proxy.mend()
        self.suite.stop()


def missed_generation(course: Course) -> None:
    """R1: A misses that B owned its tasks in between, keeps them, and never fences B."""
    pods = course.pipeline
    course.proxies[A].stall("-control")
    pods.pod(B).start()
    course.puppet.give_all(B, fence=[A])
    course.owner_runs(B)
    course.output_flows()
    course.fall_silent()  # an open transaction of B's would hold A up until it times out, and fence B
    course.proxies[B].stall("-control")
    pods.pod(B).suspend()
    course.puppet.give_all(A, fence=[A, B])
    course.proxies[A].mend()
    course.pod_runs(A)
    course.suite.load.go_on()
    course.output_flows()
    pods.pod(B).resume()
    course.shows(B, FENCED)
    course.proxies[B].mend()


def chain(course: Course) -> None:
    """R2: A does not see the assignment, B dies before it has fenced A, C fences only the last owner."""
    pods = course.pipeline
    course.fall_silent()
    course.proxies[A].stall("-control")
    course.puppet.give_all(B, fence=[A])
    trapped = pods.restart_pod(B, {"CLICKSTREAM_CRASH_AT": "before-fence"})
    eventually("B has died before fencing", lambda: not trapped.is_running(), PATIENCE_S)
    pods.pod(C).start()
    course.puppet.give_all(C, fence=[A, B])
    course.pod_runs(C)
    course.suite.load.go_on()
    course.shows(A, FENCED)
    course.proxies[A].mend()


def no_second_look(course: Course) -> None:
    """R3: A is fenced by B, makes a new producer, and goes on without reading the assignment again."""
    pods = course.pipeline
    course.fall_silent()
    course.proxies[A].stall("-control")
    pods.pod(B).start()
    course.puppet.give_all(B, fence=[A])
    course.pod_runs(B)
    course.suite.load.go_on()
    course.shows(A, FENCED)
    course.proxies[A].mend()


def unknown_commit(course: Course) -> None:
    """R4: a commit succeeds, its answer is lost, and A goes on from what it had before."""
    course.proxies[A].lose_commit_replies()
    time.sleep(35)  # beyond the time-out of 30 s
    course.proxies[A].mend()


def lost_position(course: Course) -> None:
    """R13: the positions are gone although the tasks were started; A begins at the start again."""
    pods = course.pipeline
    pods.pod(A).stop()
    eraser = Producer({"bootstrap.servers": pods.bootstrap, "log_level": 0})
    for partition in range(pods.shape.partitions):
        eraser.produce(pods.topic("positions"), None, f"clicks-{partition}", partition)
    eraser.flush()
    course.puppet.give_all(A)
    pods.pod(A).start()
    course.shows(A, REFUSED)


def missed_tombstone(course: Course) -> None:
    """R14: A is away for longer than tombstones are kept, and believes in a profile that was deleted."""
    pods = course.pipeline
    pods.pod(A).stop()
    course.tell_of_ghost(None)
    eventually("the tombstone is compacted away", course.ghost_is_gone, PATIENCE_S)
    pods.pod(A).start()
    course.owner_runs(A)
    course.ghost_clicks()
    course.output_flows()


def missed_erasure(course: Course) -> None:
    """R14: A is away while a user is erased and the changelog forgets it, and brings the user back."""
    pods, user = course.pipeline, LEAVING[0]
    eventually("the user is in the changelog", lambda: course.changelog_names(user), PATIENCE_S)
    pods.pod(A).stop()
    pods.pod(B).start()
    course.puppet.give_all(B, fence=[A])
    course.owner_runs(B)
    course.erase(user)
    eventually("its tombstones are compacted away", lambda: not course.changelog_names(user), 180)
    course.fall_silent()  # then nothing of A's other counts is behind
    pods.pod(B).stop()
    course.puppet.give_all(A, fence=[B])
    pods.pod(A).start()
    course.owner_runs(A)
    course.suite.load.go_on()
    course.output_flows()


def late_commit(course: Course) -> None:
    """R18: a commit that was sent twice arrives the second time within the next transaction."""
    trap = course.proxies[A].set_trap(course.pipeline.topic("enriched"))
    # With the rule the pod makes a new producer first, which the late commit cannot touch.
    eventually("the late commit is delivered", trap.delivered.is_set, PATIENCE_S)
    course.output_flows()


COURSES: dict[str, Callable[[Course], None]] = {
    "R1": missed_generation,
    "R2": chain,
    "R3": no_second_look,
    "R4": unknown_commit,
    "R13": lost_position,
    "R14": missed_tombstone,
    "R14 of erasures": missed_erasure,
    "R18": late_commit,
}
# Long enough for a transaction that writes twice to a partition: the late commit arrives between the two.
COMMIT_INTERVALS = {"R18": "1s"}
BRIEF_TOPICS = {"R14 of erasures": ("profiles", "changelog")}
REFUSES = frozenset({"R13"})  # with the rule the pod refuses to go on: nothing is wrong, something is missing


def run(
    rule: str, folder: Path, kafka: Kafka, proxies: dict[int, Proxy], seed: int, *, skip: bool
) -> Verdict:
    """Carry out a rule's course with the rule or without it."""
    course = Course(
        folder,
        kafka,
        proxies,
        rule.partition(" ")[0] if skip else "",
        seed,
        drain_s=5 if rule in REFUSES else 30 if skip else PATIENCE_S,
        commit_interval=COMMIT_INTERVALS.get(rule, "100ms"),
        brief=BRIEF_TOPICS.get(rule, ("profiles",)),
    )
    try:
        course.begin()
        COURSES[rule](course)
        return course.end()
    finally:
        course.stop()
