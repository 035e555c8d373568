"""Options of the sinks that do not run here, held against the names their publishers' sources define."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from clickstream_operator.manifests import connectors
from clickstream_operator.spec.clickpipeline import parse
from operator_support import REPOSITORY
from operator_support.documents import changed

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parent / "sink-options.json").read_text())
OURS = REPOSITORY / "connect/src/main/java/dev/clickstream/connect/config/SearchSinkConfig.java"


def config_of(flavour: str) -> dict[str, str]:
    changes = {"sink.search.connector": flavour, "sink.search.credentialsSecret": "search-credentials"}
    pipeline = parse(changed(changes))
    return connectors.search_connector(pipeline, connectors.cluster_references(pipeline)).rest()


def of_the_plugin(config: dict[str, str]) -> dict[str, str]:
    """Return what neither Connect nor one of its transforms takes for itself."""
    own = PUBLISHED["connect"]["options"]
    return {o: v for o, v in config.items() if o not in own and not o.startswith("transforms.")}


@pytest.mark.parametrize("flavour", ["opensearch", "elasticsearch"])
def test_every_option_is_one_that_the_publisher_defines(flavour: str) -> None:
    config, published = config_of(flavour), PUBLISHED[flavour]
    assert config["connector.class"] == published["class"]
    assert set(of_the_plugin(config)) - set(published["options"]) == set()


@pytest.mark.parametrize("flavour", ["opensearch", "elasticsearch"])
def test_every_choice_is_one_that_the_publisher_allows(flavour: str) -> None:
    config, values = config_of(flavour), PUBLISHED[flavour]["values"]
    chosen = {option: value for option, value in config.items() if option in values}
    assert set(chosen) == set(values)
    assert [f"{option}: {value}" for option, value in chosen.items() if value not in values[option]] == []


def test_every_option_of_our_own_sink_is_defined_in_its_source() -> None:
    defined = set(re.findall(r'"([a-z][a-z.]*)"', OURS.read_text()))
    assert set(of_the_plugin(config_of("clickstream"))) - defined == set()


@pytest.mark.parametrize("flavour", ["clickstream", "opensearch", "elasticsearch"])
def test_transforms_are_connects_own_with_their_options(flavour: str) -> None:
    config, known = config_of(flavour), PUBLISHED["connect"]["transforms"]
    for alias in filter(None, config.get("transforms", "").split(",")):
        prefix = f"transforms.{alias}."
        options = {o.removeprefix(prefix) for o in config if o.startswith(prefix)}
        assert options - {"type"} <= set(known[config[f"{prefix}type"]])
