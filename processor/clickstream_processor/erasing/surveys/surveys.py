"""Reads the compacted topics of a pipeline for what they have of the users. It writes nothing."""

from threading import Event

from confluent_kafka.admin import AdminClient

from clickstream_processor.erasing.surveys.identities import identities_of
from clickstream_processor.erasing.surveys.logs import read_whole
from clickstream_processor.erasing.surveys.survey import Survey, sign_of_sessions, user_of_session
from clickstream_processor.kafka.partitioner import partition_of
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topology.erasing import sign_of, user_of


class Surveys:
    """Surveys of the same users. `stop` ends a read with ErasureFailed."""

    def __init__(self, settings: Settings, admin: AdminClient, users: dict[bytes, str], stop: Event) -> None:
        self._settings, self._admin, self._users, self._stop = settings, admin, users, stop
        count = settings.topics.partitions
        self.partitions = sorted({partition_of(user, count) for user in users})  # of the topics keyed by user

    def changelog(self) -> Survey:
        """Return what the changelog has."""
        survey = Survey(self._users, lambda key, _: user_of(key), sign_of)
        return self._read(self._settings.changelog_topic, survey)

    def sessions(self, topic: str) -> Survey:
        """Return what the topic of sessions has."""
        return self._read(topic, Survey(self._users, user_of_session, sign_of_sessions))

    def profiles(self) -> Survey:
        """Return what the profiles topic has."""
        survey = Survey(self._users, lambda key, _: key, lambda user: b"\xff" + user)
        return self._read(self._settings.topics.profiles, survey)

    def identities(self, topic: str, partitions: int) -> dict[int, list[bytes]]:
        """Return the keys that name a user, by partition."""
        return identities_of(self._settings, self._admin, topic, partitions, self._users, self._stop)

    def _read(self, topic: str, survey: Survey) -> Survey:
        logs = [(topic, number) for number in self.partitions]
        read_whole(self._settings, self._admin, logs, lambda _, messages: survey.take(messages), self._stop)
        return survey
