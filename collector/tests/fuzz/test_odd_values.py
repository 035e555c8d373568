"""Any value of any type, in each place of an SDK's event and under each name that a mapping knows."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from clickstream_collector.http.routes import EVENT_ROUTES, Reading, Route
from collector_support.passing import ODD, documents, names, objects, packed, passed


def varied(document: Any, known: set[str]) -> Iterator[Any]:
    """Yield the document with one member of one object set to something odd."""
    for place in range(len(list(objects(document)))):
        for name in sorted(known | set(list(objects(document))[place])):
            for odd in ODD:
                changed = copy.deepcopy(document)
                list(objects(changed))[place][name] = odd
                yield changed


ROUTES: dict[str, Route] = {}  # one of each vocabulary and kind
for _route in EVENT_ROUTES:
    if _route.reading in (Reading.BODY, Reading.CLICKS):
        ROUTES.setdefault(f"{_route.vocabulary.name} {_route.kind or ''}".strip(), _route)
CASES = [
    pytest.param(route, document, id=f"{label}-{number}")
    for label, route in ROUTES.items()
    if label.count(" ") == 0
    for number, document in enumerate(documents(route.vocabulary.name))
]


@pytest.mark.parametrize(("route", "document"), CASES)
def test_no_value_in_any_place_breaks_a_rule(route: Route, document: Any) -> None:
    known = names(route.vocabulary.name)
    assert len(known) > 15
    for changed in varied(document, known):
        passed(packed(route, json.dumps(changed).encode()))
