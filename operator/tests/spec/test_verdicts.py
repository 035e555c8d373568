"""Operator and pod give one verdict on each document: what the one accepts, the other runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clickstream_operator.errors import InvalidSpec
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.spec.clickpipeline import parse
from clickstream_processor.errors import InvalidSettings
from clickstream_processor.settings import settings_file
from clickstream_processor.stages.programs import compile_programs, plan_of
from operator_support.documents import changed
from operator_support.verdicts import Case, cases

CASES = cases()
EXPRESSIONS = {name: case for name, case in CASES.items() if case.refused and not case.crd_knows}


def said_by_operator(case: Case) -> str:
    """Return the problems, empty when the document is accepted."""
    try:
        parse(changed(case.spec))
    except InvalidSpec as error:
        return str(error)
    return ""


def settings_of(case: Case) -> dict[str, Any]:
    """Return the pods' settings with the case's own values, whatever the operator thinks of them."""
    document = settings_document(parse(changed({})))
    return {**changed(case.spec, {"spec": document})["spec"]}


def environment(document: dict[str, Any], folder: Path) -> dict[str, str]:
    file = folder / "settings.json"
    file.write_text(json.dumps(document))
    return {"CLICKSTREAM_SETTINGS": str(file), "CLICKSTREAM_ORDINAL": "0"}


def said_by_pod(document: dict[str, Any], folder: Path) -> str:
    """Return what stops the pod at its start, empty when nothing does."""
    try:
        settings = settings_file.load(environment(document, folder))
        plan_of(settings)
        compile_programs(settings)
    except InvalidSettings as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_operator_and_pod_give_the_verdict(case: Case, tmp_path: Path) -> None:
    operator, pod = said_by_operator(case), said_by_pod(settings_of(case), tmp_path)
    if case.refused is None:
        assert (operator, pod) == ("", "")
        written = settings_document(parse(changed(case.spec)))
        assert said_by_pod(written, tmp_path) == ""
    else:
        assert case.refused in operator
        assert case.refused in pod


def test_the_pods_own_check_is_that_verdict(tmp_path: Path) -> None:
    """Trial B17: the operator accepted what each pod ended with, exit status 2."""
    for name, status in (("windows: the longest", 0), ("windows: ten years of ten seconds", 2)):
        given = {**os.environ, **environment(settings_of(CASES[name]), tmp_path)}
        command = [sys.executable, "-m", "clickstream_processor", "--check"]
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert (CASES[name].refused or "") in done.stderr


@pytest.mark.parametrize("case", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_the_operators_message_is_the_pods(case: Case, tmp_path: Path) -> None:
    """Of an expression both say the same position, text and hint."""
    operator = said_by_operator(case)
    verdict = operator[operator.index("line ") :]
    pod = said_by_pod(settings_of(case), tmp_path)
    for part in verdict.split("; hint: "):
        assert part in pod
