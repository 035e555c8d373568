"""When an object is to be looked at: its resource changed, or the timer has come round. Pure."""

from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]


class Events:
    """Remembers how each object was when it was looked at last. A status changes nothing of that."""

    def __init__(self, timer_s: float) -> None:
        self._timer_s = timer_s
        self._seen: dict[tuple[str, str], tuple[Any, float]] = {}
        self._members: dict[tuple[str, str], dict[str, str]] = {}

    def is_due(self, plural: str, document: Document, now_s: float) -> bool:
        """Tell whether to look at the object now; if so, it is taken as looked at."""
        meta = document["metadata"]
        names = ("generation", "annotations", "labels", "deletionTimestamp")
        now = tuple(meta.get(name) for name in names)
        before, at_s = self._seen.get((plural, meta["uid"]), (None, 0.0))
        if before == now and now_s - at_s < self._timer_s:
            return False
        self._seen[plural, meta["uid"]] = (now, now_s)
        return True

    def again(self, plural: str, document: Document) -> None:
        """Look at the object again in the next round: this look has failed."""
        self._seen.pop((plural, document["metadata"]["uid"]), None)

    def lost(self, plural: str, document: Document, members: Iterable[Document]) -> list[str]:
        """Return the names of an object's members that are gone since the last such question.

        One that was deleted and made again in between is gone, too: it is another object.
        """
        key = (plural, document["metadata"]["uid"])
        now = {member["metadata"]["uid"]: str(member["metadata"]["name"]) for member in members}
        before = self._members.get(key, now)
        self._members[key] = now
        return [before[uid] for uid in before.keys() - now.keys()]
