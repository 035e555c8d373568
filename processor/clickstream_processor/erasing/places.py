"""The places that may have something of the users. An erasure and a dry run take them from here alike."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from clickstream_processor.erasing.index import Documents
from clickstream_processor.erasing.receipt import Place
from clickstream_processor.erasing.surveys.survey import Survey
from clickstream_processor.erasing.surveys.surveys import Surveys
from clickstream_processor.erasing.topics import PipelineTopics
from clickstream_processor.settings.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Searched(Generic[T]):
    """One place that an erasure empties, and how to read what it has of the users."""

    place: Place  # nothing of it is counted yet
    read: Callable[[], T]
    size: Callable[[T], int]

    def count(self) -> int:
        """Read it; return how much there is."""
        return self.size(self.read())


class Places:
    """The places of one pipeline. Those that it does not have are None."""

    def __init__(
        self, settings: Settings, users: Sequence[str], surveys: Surveys, topics: PipelineTopics
    ) -> None:
        self._settings, self._users, self._surveys, self._topics = settings, users, surveys, topics

    def emptied(self) -> Iterator[Searched[Survey] | Searched[dict[int, list[bytes]]] | Searched[int]]:
        """Give all places that an erasure empties."""
        yield self.changelog()
        for find in (self.sessions, self.identities, self.index):
            searched = find()
            if searched is not None:
                yield searched

    def kept(self) -> Iterator[Place]:
        """Give what an erasure leaves: profiles, for their rows are the database's, and what expires."""
        if self._settings.processing.join.type != "none":
            left = self._surveys.profiles().alive()
            note = "delete the rows in the database: pods and topic follow" if left else ""
            yield Place(self._settings.topics.profiles, "profile", found=left, left=left, note=note)
        yield from self._topics.expiring()

    def changelog(self) -> Searched[Survey]:
        """Return the changelog of the clicks."""
        place = Place(self._settings.changelog_topic, "changelog")
        return Searched(place, self._surveys.changelog, Survey.alive)

    def sessions(self) -> Searched[Survey] | None:
        """Return the topic of sessions."""
        sessions = self._settings.processing.sessions
        if sessions is None:
            return None
        topic = sessions.topic
        return Searched(Place(topic, "compacted"), lambda: self._surveys.sessions(topic), Survey.alive)

    def identities(self) -> Searched[dict[int, list[bytes]]] | None:
        """Return the topic of identities: its keys that name a user, by partition."""
        topic = self._settings.identities_topic
        partitions = self._topics.partitions_of(topic)
        if not partitions:
            return None
        return Searched(
            Place(topic, "compacted"),
            lambda: self._surveys.identities(topic, partitions),
            lambda keys: sum(map(len, keys.values())),
        )

    def index(self) -> Searched[int] | None:
        """Return the search index: the number of documents."""
        search = self._settings.sink.search
        if search is None:
            return None
        documents = Documents(self._settings, search)
        return Searched(Place(f"{search.index}-*", "index"), lambda: documents.count(self._users), int)
