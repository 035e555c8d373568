"""What came out of clicks that were sent until told to stop."""

from dataclasses import dataclass

import msgspec

from clickstream_bench.traffic import committed


@dataclass(slots=True)
class Arrived:
    """What came out of clicks that nobody counted: each must be enriched and counted once."""

    enriched: int = 0
    out_of_turn: int = (
        0  # not the click after the one before, in its partition: missing, double, or out of order
    )
    counted: int = 0

    @staticmethod
    def of(bootstrap: str, enriched: str, metrics: str, partitions: int) -> "Arrived":
        """Read a system's committed outputs."""
        arrived = Arrived()
        next_offsets = dict.fromkeys(map(str, range(partitions)), 0)
        for value in committed(bootstrap, enriched, partitions):
            _, partition, offset = msgspec.json.decode(value)["event_id"].rsplit("-", 2)
            arrived.enriched += 1
            arrived.out_of_turn += int(offset) != next_offsets[partition]
            next_offsets[partition] = int(offset) + 1
        counts: dict[tuple[str, int], int] = {}
        for value in committed(bootstrap, metrics, partitions):
            count = msgspec.json.decode(value)
            counts[count["user_id"], count["window_start"]] = count["clicks"]
        arrived.counted = sum(counts.values())
        return arrived

    def differences(self, sent: int) -> list[str]:
        """Return what is wrong with it, when so many were sent."""
        wrong = []
        if self.enriched != sent or self.out_of_turn:
            wrong.append(f"{self.enriched} enriched clicks of {sent}, {self.out_of_turn} out of turn")
        if self.counted != sent:
            wrong.append(f"{self.counted} clicks counted of {sent}")
        return wrong
