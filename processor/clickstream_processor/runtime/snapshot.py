"""Whether the source's first snapshot is complete: the gate before the very first click.

Debezium writes its notifications to `<id>-notifications`, as plain JSON or in a Connect envelope. SKIPPED
is what it says when its offsets show that the snapshot was completed by an earlier run.
"""

import msgspec

INITIAL = "Initial Snapshot"
DONE = frozenset({"COMPLETED", "SKIPPED"})


def says_complete(value: bytes | None) -> bool:
    """Tell whether a notification says that the first snapshot is complete; garbage says nothing."""
    if value is None:
        return False
    try:
        record = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return False
    if isinstance(record, dict) and isinstance(record.get("payload"), dict):
        record = record["payload"]
    return isinstance(record, dict) and record.get("aggregate_type") == INITIAL and record.get("type") in DONE
