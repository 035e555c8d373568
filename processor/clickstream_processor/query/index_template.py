"""The search index's template: what is declared is searched, what is not is kept but not indexed. Pure.

One shape for OpenSearch 3.8 and Elasticsearch 7.10.2. A value that does not fit its type never refuses
the document (``ignore_malformed``); a field nobody declared never grows the mapping (``dynamic: false``).
"""

from collections.abc import Mapping
from typing import Any

_KEYWORD = {"type": "keyword", "ignore_above": 256}
_TEXT = {"type": "text", "fields": {"keyword": _KEYWORD}}
_TIME = {"type": "date", "format": "epoch_millis", "ignore_malformed": True}

# Enriched clicks as they leave the processor. An event id is at most 512 bytes: the engines' bound on ids.
_FIELDS: dict[str, dict[str, Any]] = {
    "event_id": {"type": "keyword", "ignore_above": 512},
    "user_id": _KEYWORD,
    "user_name": _TEXT,
    "country": _KEYWORD,
    "plan_tier": _KEYWORD,
    "page_url": _TEXT,
    "action": _KEYWORD,
    "timestamp": _TIME,
}

# Mapping types by the type of a transform's expression; unknown: keyword, which takes any scalar.
_TYPES: dict[str, dict[str, Any]] = {
    "bool": {
        "type": "keyword"
    },  # a boolean field refuses a document that holds another scalar; a keyword takes it
    "int": {"type": "long"},
    "uint": {"type": "long"},
    "double": {"type": "double"},
    "string": _KEYWORD,
    "timestamp": {"type": "date", "ignore_malformed": True},
}

# Above a template somebody made for everything (0), below what an operator of the engine would put on top.
_PRIORITY = 100


def template(index: str, fields: Mapping[str, str], dropped: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the body of ``PUT _index_template/<index>`` for daily indices ``<index>-*``.

    ``fields`` are the output fields that transform.set adds, with the type of their expression. A field of
    the contract keeps its mapping also when a transform sets it: the queries rely on it.
    """
    properties = {name: mapping for name, mapping in _FIELDS.items() if name not in dropped}
    added = {name: _TYPES.get(kind, _KEYWORD) for name, kind in sorted(fields.items()) if name not in _FIELDS}
    return {
        "index_patterns": [f"{index}-*"],
        "priority": _PRIORITY,
        "template": {
            "settings": {"index": {"number_of_shards": 1, "mapping": {"ignore_malformed": True}}},
            "mappings": {"dynamic": False, "properties": {**properties, **added}},
        },
        "_meta": {"managed_by": "clickstream"},
    }
