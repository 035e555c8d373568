"""The search index's template: what is declared is searched, what is not is kept but not indexed. Pure.

One shape for OpenSearch 3.8 and Elasticsearch 7.10.2. No value refuses its document: a field whose
expression may give an object is kept as it is and not indexed (only OpenSearch takes an object for a
keyword, and a flat object takes no scalar); what does not fit its type otherwise is left out of the index.
A field nobody declared never grows the mapping (``dynamic: false``).
"""

from collections.abc import Mapping
from typing import Any

from clickstream_processor.topology.records.codec import MAX_KEY_BYTES

_KEYWORD = {"type": "keyword", "ignore_above": 256}
_TEXT = {"type": "text", "fields": {"keyword": _KEYWORD}}
_TIME = {"type": "date", "format": "epoch_millis", "ignore_malformed": True}

# Enriched clicks as they leave the processor. An event id is at most 512 bytes: the engines' bound on ids.
_FIELDS: dict[str, dict[str, Any]] = {
    "event_id": {"type": "keyword", "ignore_above": 512},
    "user_id": {"type": "keyword", "ignore_above": MAX_KEY_BYTES},
    "user_name": _TEXT,
    "country": _KEYWORD,
    "plan_tier": _KEYWORD,
    "page_url": _TEXT,
    "action": _KEYWORD,
    "timestamp": _TIME,
}

# Mapping types by the type of a transform's expression, as CEL's checker names it.
_TYPES: dict[str, dict[str, Any]] = {
    # A boolean field refuses a document that holds another scalar; a keyword takes it.
    "BOOL": _KEYWORD,
    "NULL": _KEYWORD,
    "STRING": _KEYWORD,
    "INT": {"type": "long"},
    "UINT": {"type": "long"},
    "DOUBLE": {"type": "double"},
}
# Kept and returned, whatever JSON it is, and not searched.
_KEPT = {"type": "object", "enabled": False}

# Above a template somebody made for everything (0), below what an operator of the engine would put on top.
# The length of the index name is added: the engines refuse two templates of one priority whose patterns meet,
# and of clicks-* and clicks-eu-* the longer, which is the closer, must win. Of equal length, no two meet.
_PRIORITY = 100


def template(index: str, fields: Mapping[str, str], dropped: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the body of ``PUT _index_template/<index>`` for daily indices ``<index>-*``.

    ``fields`` are the output fields that transform.set gives, with the type of their expression as CEL's
    checker names it. A field of the contract keeps its mapping, since the queries rely on it, unless the
    transform may give it an object.
    """
    properties = {name: mapping for name, mapping in _FIELDS.items() if name not in dropped}
    for name, kind in sorted(fields.items()):
        mapping = _mapping(kind)
        if name not in _FIELDS or mapping is _KEPT:
            properties[name] = mapping
    return {
        "index_patterns": [f"{index}-*"],
        "priority": _PRIORITY + len(index),
        "template": {
            "settings": {"index": {"number_of_shards": 1, "mapping": {"ignore_malformed": True}}},
            "mappings": {"dynamic": False, "properties": properties},
        },
        "_meta": {"managed_by": "clickstream"},
    }


def _mapping(kind: str) -> dict[str, Any]:
    """Return the mapping for a type: that of its scalar, alone or in lists, else the one that takes all."""
    while kind.startswith("LIST<"):
        kind = kind.removeprefix("LIST<").removesuffix(">")
    return _TYPES.get(kind, _KEPT)
