"""The sessions that must come out: one of each user of the load, for its gap is longer than a run.

Odd users are left out, as elsewhere. Pages are not compared: of two clicks at one time nobody can say from
outside which is the last.
"""

import json
from collections.abc import Container, Iterable, Mapping
from typing import Any

from confluent_kafka import Message

from clickstream_chaos.load.odd import is_odd_user

Visit = tuple[int, int, int]  # start, end, clicks


class Visits:
    """The topic of sessions as a table, and what it should hold."""

    def __init__(self) -> None:
        self._table: dict[bytes, tuple[str, Visit]] = {}  # by the record's key: user and session

    def take(self, messages: Iterable[Message]) -> None:
        """Take records of the topic, in order."""
        for message in messages:
            key, value = message.key() or b"", message.value()
            if value is None:
                self._table.pop(key, None)
                continue
            body = json.loads(value)
            if not is_odd_user(body["user_id"]):
                visit = body["session_start"], body["session_end"], body["clicks"]
                self._table[key] = body["user_id"], visit

    def differences(
        self, enriched: Iterable[Mapping[str, Any]], erased: Container[str] = ()
    ) -> list[tuple[str, str, int]]:
        """Return what differs from the clicks that must be in sessions: kind, words, clicks.

        Of users who were erased the tombstones may still come: nothing of theirs is wrong before the end.
        """
        true = _sessions(enriched)
        found: dict[str, Visit] = {}
        wrong: list[tuple[str, str, int]] = []

        def note(user: str, kind: str, text: str, clicks: int = 1) -> None:
            wrong.append(("missing" if user in erased else kind, text, clicks))

        for user, visit in self._table.values():
            if user in found:
                note(user, "contradictions", f"{user} has two sessions: {found[user]}, {visit}")
            found[user] = visit
        for user, visit in true.items():
            seen = found.get(user, (0, 0, 0))
            text = f"session of {user} is {seen}, not {visit}"
            if seen[2] < visit[2]:
                note(user, "missing", text, visit[2] - seen[2])
            elif seen[2] > visit[2]:
                note(user, "doubled", text, seen[2] - visit[2])
            elif seen != visit:
                note(user, "contradictions", text)
        for user in found.keys() - true.keys():
            note(user, "contradictions", f"{user} has no clicks")
        return wrong


def _sessions(enriched: Iterable[Mapping[str, Any]]) -> dict[str, Visit]:
    true: dict[str, Visit] = {}
    for click in enriched:
        user, at_ms = click["user_id"], click["timestamp"]
        start, end, clicks = true.get(user, (at_ms, at_ms, 0))
        true[user] = min(start, at_ms), max(end, at_ms), clicks + 1
    return true
