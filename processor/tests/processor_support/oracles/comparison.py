"""What a comparison with Kafka Streams gave."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one case gave: differences as text (none: equal), and figures: the case was not hollow."""

    case: str
    differences: list[str]
    figures: dict[str, Any]
