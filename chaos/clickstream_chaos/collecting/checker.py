"""What senders know, against what is in the topic. Pure, and shares no code with the collector."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """A click as its sender made it, or as it is in the topic: what must be the same in both."""

    message_id: str
    user: str
    page: str


@dataclass(slots=True)
class Sent:
    """An event of a sender, how often it went out, and whether it was answered with success."""

    event: Event
    attempts: int = 0
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the topic says. The first three must be 0.

    `lost`: answered with success and not in the topic. `invented`: records that nobody sent, or that are
    other than they were sent. `doubled`: ids with more records than were sent attempts, or under several
    users, so that dropping second records of one user and id leaves several. `repeated`: further records of
    an id that was sent again, which the processor drops by `processing.dedup`.
    """

    lost: int
    invented: int
    doubled: int
    repeated: int
    answered: int
    examples: tuple[str, ...] = ()

    def is_well(self) -> bool:
        """Tell whether the collector kept its promise."""
        return not self.lost and not self.invented and not self.doubled

    def line(self) -> dict[str, int]:
        """Return the figures."""
        names = ("lost", "doubled", "invented", "repeated", "answered")
        return {name: getattr(self, name) for name in names}


def verdict(sent: Mapping[str, Sent], records: Iterable[Event]) -> Verdict:
    """Compare all records of the topic with what was sent, by message id."""
    right: Counter[str] = Counter()
    users: dict[str, set[str]] = {}
    invented: list[str] = []
    for record in records:
        users.setdefault(record.message_id, set()).add(record.user)
        known = sent.get(record.message_id)
        if known is None or known.event != record:
            invented.append(record.message_id)
        else:
            right[record.message_id] += 1
    lost = [name for name, each in sent.items() if each.answered and not right[name]]
    doubled = [name for name, number in right.items() if number > sent[name].attempts or len(users[name]) > 1]
    examples = [
        f"{what} {name}"
        for what, names in (("lost", lost), ("invented", invented), ("doubled", doubled))
        for name in names[:5]
    ]
    return Verdict(
        lost=len(lost),
        invented=len(invented),
        doubled=len(doubled),
        repeated=sum(right.values()) - len(right),
        answered=sum(each.answered for each in sent.values()),
        examples=tuple(examples),
    )
