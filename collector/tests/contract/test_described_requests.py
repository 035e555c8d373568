"""Requests that Schemathesis makes of the description, right and wrong ones: each answer is as described."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from clickstream_collector.http.openapi import document
from clickstream_local.machine.ports import HOST
from clickstream_local.testing.randomised import examples
from collector_support.described import Described
from collector_support.running import KEY, Answer, RunningCollector
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

SCHEMA = schemathesis.openapi.from_dict(document(0, 0, is_open=False))
OPERATIONS = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations() if isinstance(each, Ok)}
CHECKED = CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Give connections that are kept."""
    with requests.Session() as found:
        yield found


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_described(
    collector: RunningCollector, described: Described, session: requests.Session, label: str
) -> None:
    operation = OPERATIONS[label]
    is_admin = operation.path in ("/livez", "/readyz", "/metrics", "/openapi.json")
    base = f"http://{HOST}:{collector.admin_port if is_admin else collector.port}"
    modes = [operation.as_strategy(generation_mode=GenerationMode.POSITIVE)]
    if operation.method == "post" or operation.query:
        modes.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    keys: st.SearchStrategy[dict[str, str]] = st.sampled_from([{"X-Write-Key": KEY}] * 3 + [{}])

    @given(case=st.one_of(modes), headers=keys)
    @settings(
        max_examples=examples(6 if operation.method in ("post", "get") else 2),
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any, headers: dict[str, str]) -> None:
        response = case.call(base, session=session, headers=headers, timeout=60)
        case.validate_response(response, checks=CHECKED)
        found = {name.title(): values[0] for name, values in response.headers.items()}
        answer = Answer(response.status_code, found, response.content)
        assert described.wrong_with(case.method, operation.path.replace("{key}", "x"), answer) is None

    check()
