"""The environment variables of the programs as a page, from their own tables. Pure.

Operator and collector have their tables as values. The processor has it as the text of `--help`. What
Kubernetes gives comes from the manifest of the pods and from the chart's template.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from clickstream_collector.settings import SETTINGS as COLLECTOR_SETTINGS
from clickstream_collector.settings import Setting
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.manifests.statefulset import statefulset
from clickstream_operator.settings import SETTINGS
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_processor.__main__ import _ENVIRONMENT as PROCESSOR_HELP
from clickstream_processor.erasing.__main__ import _ENVIRONMENT as ERASURE_HELP
from clickstream_processor.replaying.__main__ import _ENVIRONMENT as REPLAY_HELP

_HEAD = """# Environment variables

Made from the code by `make reference`; do not edit. An empty value counts as not set, except that of
`CLICKSTREAM_TERMINATION_LOG`. On Kubernetes the chart and the operator set these variables. You need them
only to run the programs yourself. Variables of the demo, the tests and the scripts are on
[a page of their own](development-variables.md).

"""
_PROCESSOR = """## Processor

`python -m clickstream_processor --help` shows the same. `--check` checks settings and Secrets and ends. The
last column is what the operator sets in the pods.

"""
_REPLAY = """
## Replay

`python -m clickstream_processor.replaying` reads what a pod reads, and these. Its
`CLICKSTREAM_TERMINATION_LOG` gets the report.

"""
_ERASURE = """
## Erasure

`python -m clickstream_processor.erasing` reads what a pod reads, and these. Its
`CLICKSTREAM_TERMINATION_LOG` gets the receipt.

"""
_OPERATOR = """
## Operator

`python -m clickstream_operator --help` shows the same. The last column is the value of the chart that sets
the variable. The chart's `operator.extraEnv` sets the others.

"""
_CONTROLLER = """
## Controller

The controller alone, `python -m clickstream_operator.assignment`, reads one variable. It is the default of
the option `--secrets`. Everything else comes from options.

"""
_COLLECTOR = """
## Collector

`python -m clickstream_collector --help` shows the same. [The collector](collector.md) says what they do.

"""
CONTROLLER_SECRETS = ("CLICKSTREAM_SECRETS_DIR", "/etc/clickstream/secrets")

_LINE = re.compile(r"^  (CLICKSTREAM_\w+)\s+(.*?)(?: \(([^()]*)\))?$", re.MULTILINE)  # name, meaning, default
_ENTRY = re.compile(r"- name: (CLICKSTREAM_\w+)\n((?:(?!\s*- name:|\s*\{\{-).*\n)+)")
_VALUE = re.compile(r"\.Values\.([\w.]+)")
_SAID = {  # what sets the variables that no value of the chart sets
    "Release.Namespace": "the release's namespace",
    "clickstream.operatorName": "the release's name",
    "metadata.name": "the pod's name",
}


class Variable(NamedTuple):
    """One row."""

    name: str
    default: str
    meaning: str
    given: str = ""  # what Kubernetes gives it


def environment_page(pipeline: ClickPipeline, deployment: str) -> str:
    """Return the page. `deployment`: the chart's template of the operator."""
    name, default = CONTROLLER_SECRETS
    controller = Variable(name, f"`{default}`", "mounted Secrets, files `NAME/KEY`")
    return "".join(
        (
            _HEAD,
            _PROCESSOR,
            _table(processor_variables(pipeline), "on Kubernetes"),
            _REPLAY,
            _table(replay_variables()),
            _ERASURE,
            _table(erasure_variables()),
            _OPERATOR,
            _table(operator_variables(deployment), "chart"),
            _CONTROLLER,
            _table([controller]),
            _COLLECTOR,
            _table(collector_variables()),
        )
    )


def processor_variables(pipeline: ClickPipeline) -> list[Variable]:
    """Return the variables of the help text, each with what the pods get."""
    given = _pods_environment(pipeline)
    found = []
    for name, meaning, said in _LINE.findall(PROCESSOR_HELP):
        default = "*required*" if said == "required" else _code(said.removeprefix("default: "))
        found.append(Variable(name, default, meaning, given.get(name, "")))
    return found


def replay_variables() -> list[Variable]:
    """Return the variables that a replay reads beside those of a pod, or with another default."""
    return _variables_of(REPLAY_HELP)


def erasure_variables() -> list[Variable]:
    """Return the variables that an erasure reads beside those of a pod, or with another default."""
    return _variables_of(ERASURE_HELP)


def _variables_of(text: str) -> list[Variable]:
    return [
        Variable(name, "*required*" if said == "required" else _code(said.removeprefix("default: ")), meaning)
        for name, meaning, said in _LINE.findall(text)
    ]


def operator_variables(deployment: str) -> list[Variable]:
    """Return the settings of the operator, each with the chart's value."""
    given = _chart_values(deployment)
    return [
        Variable(
            setting.name,
            "*required*" if "Required." in setting.meaning else _code(setting.default),
            setting.meaning.removesuffix(" Required.").rstrip("."),
            given.get(setting.name, ""),
        )
        for setting in SETTINGS
    ]


def collector_variables() -> list[Variable]:
    """Return the settings of the collector."""
    return [_setting(setting) for setting in COLLECTOR_SETTINGS]


def _setting(setting: Setting) -> Variable:
    """Return the row of a setting; its meaning says whether it is required."""
    default = "*required*" if setting.meaning.endswith(" Required.") else _code(setting.default)
    return Variable(setting.name, default, setting.meaning.removesuffix(" Required.").rstrip("."))


def _pods_environment(pipeline: ClickPipeline) -> dict[str, str]:
    level = "the operator's `CLICKSTREAM_PROCESSOR_LOG_LEVEL`"
    pods = statefulset(pipeline, Platform(processor_image="image", log_level="LEVEL"), secrets_hash="")
    (container,) = pods["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    return {name: level if value == "LEVEL" else f"`{value}`" for name, value in given.items()}


def _chart_values(deployment: str) -> Mapping[str, str]:
    found = {}
    for variable, text in _ENTRY.findall(deployment):
        names = [*(["image.registry"] if "clickstream.image" in text else []), *_VALUE.findall(text)]
        values = [f"`{name}`" for name in dict.fromkeys(names)]
        found[variable] = ", ".join(values or [word for said, word in _SAID.items() if said in text])
    return found


def _table(rows: Iterable[Variable], given: str = "") -> str:
    last, rule = (f" {given} |", "---|") if given else ("", "")
    lines = [f"| variable | default | meaning |{last}\n|---|---|---|{rule}\n"]
    for row in rows:
        cells = [f"`{row.name}`", row.default, row.meaning.replace("|", "\\|").replace("<", "&lt;")]
        lines.append("".join(f"| {cell} " for cell in [*cells, *([row.given] if given else [])]) + "|\n")
    return "".join(lines)


def _code(default: str) -> str:
    """Return a default: words as they are, a value as code."""
    words, _, rest = default.partition(", ")
    if not default or (" " in words and not rest):
        return default
    return f"`{words}`{', ' + rest if rest else ''}" if " " not in words else default
