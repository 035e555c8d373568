"""An erasure from its survey to its receipt. Nothing of it is kept: started again it does all of it again.

A dry run reads the same places, and writes nothing.
"""

import logging
import time
from collections.abc import Callable
from threading import Event

import msgspec
from confluent_kafka.admin import AdminClient

from clickstream_processor.erasing.holders import Holders
from clickstream_processor.erasing.index import Documents
from clickstream_processor.erasing.places import Places, Searched
from clickstream_processor.erasing.receipt import Phase, Place, Receipt, hashed, receipt_of
from clickstream_processor.erasing.request import Request
from clickstream_processor.erasing.rights import require_rights
from clickstream_processor.erasing.sink import sink_group, sink_is_behind
from clickstream_processor.erasing.surveys.logs import STOPPED
from clickstream_processor.erasing.surveys.survey import Survey
from clickstream_processor.erasing.surveys.surveys import Surveys
from clickstream_processor.erasing.topics import PipelineTopics
from clickstream_processor.erasing.writer import ErasureWriter
from clickstream_processor.errors import ErasureFailed, ProcessorError
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.jobs.processed import Awaited, PodPositions
from clickstream_processor.kafka import client
from clickstream_processor.kafka.client import CLIENT_ERRORS
from clickstream_processor.kafka.ends import read_logs
from clickstream_processor.kafka.partitioner import partition_of
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages
from clickstream_processor.task_id import CLICKS

log = logging.getLogger(__name__)

WAIT_S = 600.0  # for the pods, and for the sink
ROUNDS = 3  # of records: keys that expire between a survey and its records need another
PAUSE_S = 0.5


class ErasureRun:
    """One erasure. `run` belongs to one thread; `receipt` may be read by others."""

    def __init__(
        self,
        settings: Settings,
        stages: Stages,
        request: Request,
        faults: Faults = NO_FAULTS,
        wait_s: float = WAIT_S,
    ) -> None:
        """`wait_s`: how long to wait for the pods, and for the sink."""
        self._settings, self._stages, self._request, self._faults = settings, stages, request, faults
        self._wait_s = wait_s
        self.stop = Event()  # set it, and the erasure ends
        self._users = {user.encode(): user for user in dict.fromkeys(request.users)}
        self._hashes = hashed(self._users.values())
        self._places: list[Place] = []
        self._notes: list[str] = []
        self.receipt = receipt_of("surveying", self._hashes, [], "")  # replaced, never changed

    def run(self) -> Receipt:
        """Do it all; return the last receipt. What goes wrong is in there, with phase `failed`."""
        try:
            self._run()
        except ProcessorError as error:
            self._tell("failed", str(error))
        except CLIENT_ERRORS as error:
            self._tell("failed", f"Kafka: {error}; it may be started again")
        return self.receipt

    def _run(self) -> None:
        settings = self._settings
        self._admin: AdminClient = client.make_admin(settings, "erasing-admin")
        require_rights(settings, self._admin, self._stages[CLICKS].input)
        self._topics = PipelineTopics(settings, self._admin)
        self._surveys = Surveys(settings, self._admin, self._users, self.stop)
        self._there = Places(settings, list(self._users.values()), self._surveys, self._topics)
        if self._request.dry_run:
            self._look()
            return
        self._writer = ErasureWriter(settings, self._request.name)
        sessions = self._there.sessions()
        if sessions is not None:  # before the tasks: they delete most of them, as they come to the erasure
            sessions.place.found = sessions.count()
        self._erase_in_tasks()
        self._faults.reach("after-pods")
        if sessions is not None:
            self._erase_sessions(sessions)
        self._erase_identities()
        self._faults.reach("after-tombstones")
        self._erase_documents()
        self._faults.reach("after-index")
        self._tell("verifying")
        self._add_kept()
        self._tell("done", "; ".join(self._notes))

    def _look(self) -> None:
        """Tell what each place has that an erasure would take out."""
        for searched in self._there.emptied():
            found = searched.count()
            self._place(searched.place)
            searched.place.found = searched.place.left = found
        self._add_kept()
        receipt = receipt_of("done", self._hashes, self._places, "nothing was erased: this was a dry run")
        # Compacted topics keep their records: there is no time at which the last trace is gone.
        self.receipt = msgspec.structs.replace(receipt, gone_ms=None)

    def _add_kept(self) -> None:
        for place in self._there.kept():
            self._place(place)

    # --- the tasks: state and changelog, of owners and standbys ----------------------------------------

    def _erase_in_tasks(self) -> None:
        pods, changelog = PodPositions(self._settings, self._stages), self._there.changelog()
        survey = changelog.read()
        place = self._place(changelog.place)
        topic, place.found = place.name, survey.alive()
        self._faults.reach("after-survey")
        try:
            for _ in range(ROUNDS):
                self._erase(pods, survey)
                survey = changelog.read()
                place.left = survey.left()
                if any(found.sign < 0 for found in survey.users.values()):
                    raise ErasureFailed("the pods have passed over the erasure: are all of this version?")
                if place.left == 0:
                    break
            else:
                raise ErasureFailed(f"{place.left} keys of {topic} came back again and again")
        finally:
            pods.close()
        place.until_ms = self._topics.until_ms(topic)
        place.note = "deleted; what was there leaves the files of the brokers by then"
        self._wait_for_holders(survey)

    def _erase(self, pods: PodPositions, survey: Survey) -> None:
        """Write the records, and wait until the tasks are behind them."""
        settings = self._settings
        self._tell("erasing")
        stage = self._stages[CLICKS]
        if stage.input != settings.topics.clicks:  # what is on its way there comes first
            keys = [(settings.topics.clicks, number) for number in range(settings.topics.partitions)]
            ends = {number: found.high for (_, number), found in read_logs(self._admin, keys).items()}
            self._await(lambda going_on: pods.wait_at(settings.topics.clicks, ends, going_on))
        ends = self._writer.erase(stage.input, {user: found.alive() for user, found in survey.users.items()})
        self._faults.reach("after-records")
        self._await(lambda going_on: pods.wait_at(stage.input, ends, going_on))

    def _await(self, wait: Callable[[Callable[[list[Awaited]], bool]], list[Awaited]]) -> None:
        deadline_s = time.monotonic() + self._wait_s

        def going_on(left: list[Awaited]) -> bool:
            self._tell("waiting", f"{len(left)} tasks have not come so far, such as {left[0].name}")
            return not self.stop.is_set() and time.monotonic() < deadline_s

        left = wait(going_on)
        self._require_time(left == [], f"{len(left)} tasks have not come so far: see whether the pods run")

    def _wait_for_holders(self, survey: Survey) -> None:
        """Wait until every owner and standby has applied the signs, and has rewritten its files."""
        settings = self._settings
        if not self._topics.partitions_of(settings.acks_topic):
            self._notes.append("there is no controller: what standbys have is not known")
            return
        targets: dict[int, int] = {}
        for user, found in survey.users.items():
            partition = partition_of(user, settings.topics.partitions)
            targets[partition] = max(targets.get(partition, -1), found.sign)
        place = self._place(Place("pods", "pods"))
        holders, deadline_s = Holders(settings), time.monotonic() + self._wait_s
        try:
            while behind := holders.behind(targets):
                self._tell("waiting", f"state that is not erased yet: {', '.join(behind[:5])}")
                late = time.monotonic() > deadline_s
                self._require_time(not late, f"these have not erased their state: {', '.join(behind[:5])}")
            place.found, place.left = holders.count(targets), 0
        finally:
            holders.close()

    # --- other compacted topics ------------------------------------------------------------------------

    def _erase_sessions(self, sessions: Searched[Survey]) -> None:
        place = self._place(sessions.place)
        topic = place.name
        for round_ in range(2):
            survey = sessions.read()
            if round_ == 0:
                if any(records.sign < 0 for records in survey.users.values()):
                    raise ErasureFailed(f"the pods have told no erasure in {topic}: are all of this version?")
                partitions = self._settings.topics.partitions
                found: dict[int, list[bytes]] = {}
                for user, records in survey.users.items():
                    found.setdefault(partition_of(user, partitions), []).extend(records.left())
                self._writer.delete(topic, found)
            place.left = survey.left()
        self._require(place)
        place.until_ms = self._topics.until_ms(topic)

    def _erase_identities(self) -> None:
        identities = self._there.identities()
        if identities is None:
            return
        place = self._place(identities.place)
        for round_ in range(2):
            mine = identities.read()
            place.left = identities.size(mine)
            if round_ == 0:
                place.found = place.left
                self._writer.delete(place.name, mine)
        self._require(place)
        place.until_ms = self._topics.until_ms(place.name)
        place.note = "other ids of the same people are erased only if they are among the users"

    # --- the index -------------------------------------------------------------------------------------

    def _erase_documents(self) -> None:
        search, index = self._settings.sink.search, self._there.index()
        if search is None or index is None:
            return
        place = self._place(index.place)
        self._wait_for_sink()
        documents, users = Documents(self._settings, search), list(self._users.values())
        place.found = place.left = index.count()
        deadline_s = time.monotonic() + self._wait_s
        while place.left:
            self._tell("erasing")
            documents.delete(users)
            place.left = index.count()
            late = time.monotonic() > deadline_s
            self._require_time(not place.left or not late, f"{place.left} documents are still in the index")

    def _wait_for_sink(self) -> None:
        """Wait until the sink has written all that the pods had sent before they forgot the users."""
        group, topic = sink_group(self._settings), self._settings.topics.enriched
        logs = read_logs(self._admin, [(topic, number) for number in self._surveys.partitions])
        ends = {key: found.high for key, found in logs.items()}
        pods, deadline_s = PodPositions(self._settings, self._stages), time.monotonic() + self._wait_s
        try:
            while behind := sink_is_behind(self._admin, group, ends, pods.has_passed):
                self._tell("waiting", f"the sink has not written all of {topic} yet")
                late = time.monotonic() > deadline_s
                self._require_time(not late, f"the sink ({group}) is behind: see whether its connector runs")
                self.stop.wait(PAUSE_S)
        finally:
            pods.close()
        if behind is None:
            self._notes.append(f"the group {group} has no offsets: what it writes later stays in the index")

    # --- all of them -----------------------------------------------------------------------------------

    def _place(self, place: Place) -> Place:
        self._places.append(place)
        return place

    def _require(self, place: Place) -> None:
        if place.left:
            raise ErasureFailed(f"{place.left} records of {place.name} are still there")

    def _require_time(self, enough: bool, why: str) -> None:
        if self.stop.is_set():
            raise ErasureFailed(STOPPED)
        if not enough:
            raise ErasureFailed(f"{why}; it may be started again")

    def _tell(self, phase: Phase, message: str = "") -> None:
        self.receipt = receipt_of(phase, self._hashes, self._places, message)
