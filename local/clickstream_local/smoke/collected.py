"""The clicks that came through the collector: each that it answered is in the outputs once. Pure."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence

from clickstream_local.smoke.checks import Check, Evidence
from clickstream_local.smoke.model import Click

MARK = b'"message_id"'  # the generated load has none


def check_collected(
    answered: Sequence[str], clicks: Sequence[Click], evidence: Evidence
) -> tuple[Check, int]:
    """Return the check, and how many enriched clicks came through the collector.

    `answered`: the message ids that the collector answered with success; `clicks`: all of the clicks topic.
    """
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for click in clicks:
        if MARK in click.value:
            places[json.loads(click.value)["message_id"]].append((click.partition, click.offset))
    enriched = Counter(_place(str(record["event_id"])) for _, record, _ in evidence.enriched)
    times = {message: sum(enriched[place] for place in found) for message, found in places.items()}
    wrong = [message for message in {*answered, *places} if times.get(message, 0) != 1]
    never_answered = len(places.keys() - set(answered))
    arrived = sum(times.values())
    text = f"{arrived:,} of {len(answered):,}"
    if wrong:
        text += f"; {len(wrong):,} not once, as {wrong[0]}: {times.get(wrong[0], 0)} times"
    if never_answered:
        text += f"; {never_answered:,} that were not answered"
    held = bool(answered) and not wrong and not never_answered and arrived == len(answered)
    return Check("clicks through the collector, answered and enriched once", text, held), arrived


def _place(event_id: str) -> tuple[int, int]:
    """Return partition and offset of TOPIC-PARTITION-OFFSET."""
    _, partition, offset = event_id.rsplit("-", 2)
    return int(partition), int(offset)
