"""Results: the JSON of a window's value for one key, and the largest values of a window.

    {"metric":"page-
    views","window_start":0,"window_end":300000,"keys":{"page":"/"},"value":3,"emit":"updates"}

`value` is a number, or null where no click had one. A count of different values also has `exact`; where that
is false, `lower` and `upper` are two standard deviations around the estimate. The key that stands for all
keys without a place of their own has the text (other) for each value.
"""

import heapq
from collections.abc import Iterable

import msgspec

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.values.aggregates import Aggregate
from clickstream_processor.aggregation.values.distinct import Distinct
from clickstream_processor.aggregation.values.keys import OTHER_TEXT, KeyValue, decode_key
from clickstream_processor.aggregation.values.numeric import Number
from clickstream_processor.aggregation.windows import KeyInWindow

CACHED_TEXTS = 20_000

_encode = msgspec.json.encode


def key_values(metric: Metric, key: bytes) -> dict[str, KeyValue]:
    """Return a key's values by the metric's names for them; raises MalformedPartial."""
    values = decode_key(key)
    if values is None:
        return dict.fromkeys(metric.by, OTHER_TEXT)
    return dict(zip(metric.by, values, strict=True))


class ResultWriter:
    """Writes the results of one metric; it keeps the texts of the keys last written."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._head = f'{{"metric":"{metric.name}","window_start":'
        self._tail = f',"emit":"{metric.emit}"}}'
        self._texts: dict[bytes, tuple[str, bytes]] = {}

    def write(self, window_ms: int, found: KeyInWindow) -> tuple[bytes, bytes]:
        """Return value and key of an output record. The key is a JSON list of the values in `keys`."""
        texts = self._texts.get(found.key)
        if texts is None:
            values = key_values(self._metric, found.key)
            if len(self._texts) >= CACHED_TEXTS:
                self._texts.clear()
            texts = self._texts[found.key] = _encode(values).decode(), _encode(list(values.values()))
        value = (
            f'{self._head}{window_ms},"window_end":{window_ms + self._metric.size_ms},"keys":{texts[0]},'
            f'"value":{_value_json(found.aggregate)}{self._tail}'
        )
        return value.encode(), texts[1]


def _value_json(aggregate: Aggregate) -> str:
    """Return the JSON of a value, and where it may be an estimate whether it is, with its bounds."""
    value = aggregate.value()
    text = str(value) if isinstance(value, int) else _encode(value).decode()  # integers have all their digits
    if not isinstance(aggregate, Distinct):
        return text
    bounds = aggregate.bounds()
    if bounds is None:
        return f'{text},"exact":true'
    return f'{text},"exact":false,"lower":{bounds[0]},"upper":{bounds[1]}'


def largest(entries: Iterable[KeyInWindow], number: int) -> list[tuple[KeyInWindow, Number]]:
    """Return the entries with the largest values, largest first.

    Of equal values the first is the first by its key's bytes. Entries without a value are left out. Memory
    goes with `number`, not with the entries.
    """
    valued = ((each, value) for each in entries if (value := each.aggregate.value()) is not None)
    return heapq.nsmallest(number, valued, key=lambda pair: (-pair[1], pair[0].key))
