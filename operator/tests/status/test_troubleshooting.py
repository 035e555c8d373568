"""docs/how-to/troubleshoot.md: each text that it explains is one that a pipeline shows."""

import re
from dataclasses import replace
from typing import Any

import pytest
from clickstream_operator.database.facts import Look
from operator_support import REPOSITORY
from operator_support.source_facts import FACTS
from operator_support.storefront_seen import CASES, DOCUMENT, observed, pods, status_of

ROWS = re.findall(r"^\| `([^`]+)` \|", (REPOSITORY / "docs/how-to/troubleshoot.md").read_text(), re.MULTILINE)

# Text -> what was seen.
SEEN: dict[str, dict[str, Any]] = {
    "Create in namespace": CASES["a Secret is missing"][0],
    "may not read": CASES["Connect may not read"][0],
    "There is no KafkaConnect": {"connect": None},
    "takes no KafkaConnectors": {"connect": {"metadata": {}}},
    "lacks the plugin": {
        "connect": {
            "metadata": {"annotations": {"strimzi.io/use-connector-resources": "true"}},
            "status": {"connectorPlugins": [{"class": "a.B"}]},
        }
    },
    "No pod of KafkaConnect": CASES["Connect's pods are away"][0],
    "wal_level is": {"source": Look(0, facts=replace(FACTS, wal_level="replica"))},
    "There is no publication": {"source": Look(0, facts=replace(FACTS, publication=None))},
    "Most clicks become dead letters": {
        "pods": {0: replace(pods()[0], clicks_s=9, refused_s=8, dead_lettered={"wrong-partition": 99})}
    },
    "is created once": {"children": {("KafkaConnector", "storefront-search"): None}, "pods": {}},
}
# PostgreSQL's words, passed on by Connect and Strimzi: the end-to-end suite has them told.
OTHERS = ["is not permitted to log in", "password authentication failed"]


def test_the_page_explains_what_is_tried_here() -> None:
    assert sorted(ROWS) == sorted([*SEEN, *OTHERS])
    suite = (REPOSITORY / "e2e/tests/test_e2e_connectors.py").read_text()
    assert [text for text in OTHERS if text not in suite] == []


@pytest.mark.parametrize("text", SEEN)
def test_the_text_is_what_a_pipeline_shows(text: str) -> None:
    messages = [
        condition["message"] for condition in status_of(observed(**SEEN[text]), DOCUMENT)["conditions"]
    ]
    assert [message for message in messages if text in message]
