"""Reads the settings file and the environment: the only reader of both.

`load` raises InvalidSettings with ALL problems, one a line, each with its path. Fields this version does not
know are kept in `ignored` and logged: a newer operator may write more than this image reads.
"""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from clickstream_processor.errors import InvalidSettings, cause_of
from clickstream_processor.settings import bounds
from clickstream_processor.settings.settings import (
    Kafka,
    PodEnvironment,
    Processing,
    Section,
    Settings,
    Topics,
)
from clickstream_processor.settings.units import decode_unit

# What only the operator acts on, in the file because the file is the spec: no sign of a newer operator.
FOR_THE_OPERATOR = frozenset(
    {
        "kafka.cluster",
        "source",
        "topics.manage",
        "topics.replicas",
        "sink.search.connector",
        "sink.search.tasksMax",
        "processors.storage",
        "processors.autoscale",
        "processors.resources.requests",
    }
)
# A file with a greater one may mean something else by the same names: refused.
# 2: `topics.partitioner: any`. 5: profiles that come from no table.
SETTINGS_VERSION = 5


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that the environment and the file it names give. Raises InvalidSettings."""
    problems: list[str] = []
    document = _read_document(environ, problems)
    pod = _pod(environ, document, problems)
    ignored: list[str] = []
    values = _convert_section(document, Settings, "", problems, ignored, skip=("pod", "ignored"))
    if not problems:
        problems += _broken_rules(values, pod)
    if problems:
        raise InvalidSettings("\n".join(problems))
    unknown = tuple(path for path in ignored if path not in FOR_THE_OPERATOR)
    return Settings(**values, pod=pod, ignored=unknown)


def _read_document(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    path = environ.get("CLICKSTREAM_SETTINGS", "")
    if not path:
        problems.append("CLICKSTREAM_SETTINGS: not set; it names the settings file (JSON)")
        raise InvalidSettings("\n".join(problems))
    try:
        document = msgspec.json.decode(Path(path).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidSettings(f"CLICKSTREAM_SETTINGS: cannot read {path}: {cause_of(error)}") from error
    if not isinstance(document, dict):
        raise InvalidSettings(f"CLICKSTREAM_SETTINGS: {path} must hold a JSON object")
    version = document.get("settingsVersion")
    if isinstance(version, int) and version > SETTINGS_VERSION:
        raise InvalidSettings(
            f"settingsVersion: {version} is newer than this image knows ({SETTINGS_VERSION}); use a newer one"
        )
    return document


def _pod(environ: Mapping[str, str], document: dict[str, Any], problems: list[str]) -> PodEnvironment:
    """Return the environment's part; wrong values are noted in `problems` and replaced."""

    def number(name: str, default: int, low: int, high: int) -> int:
        text = environ.get(name, "")
        if not text:
            return default
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        problems.append(f"{name}: {text!r} must be a whole number from {low} to {high}")
        return default

    def one_of(name: str, default: str, allowed: tuple[str, ...]) -> Any:
        value = environ.get(name) or default
        if value not in allowed:
            problems.append(f"{name}: {value!r} must be one of {', '.join(allowed)}")
        return value

    assignment = environ.get("CLICKSTREAM_ASSIGNMENT") or "control"
    if not re.fullmatch(r"control|static:[1-9][0-9]{0,3}", assignment):
        problems.append(f"CLICKSTREAM_ASSIGNMENT: {assignment!r} must be control or static:<number of pods>")
        assignment = "control"
    ordinal = number("CLICKSTREAM_ORDINAL", _host_ordinal(), 0, 9999)
    if ordinal < 0:
        problems.append(
            "CLICKSTREAM_ORDINAL: not set, and the host name does not end in -<number> as a pod's does"
        )
    query = document.get("query")
    port = query.get("port", 8080) if isinstance(query, dict) else 8080
    return PodEnvironment(
        ordinal=ordinal,
        data_dir=Path(environ.get("CLICKSTREAM_DATA_DIR") or "/var/lib/clickstream"),
        secrets_dir=Path(environ.get("CLICKSTREAM_SECRETS_DIR") or "/etc/clickstream/secrets"),
        host=environ.get("CLICKSTREAM_HOST") or "0.0.0.0",  # noqa: S104  # the NetworkPolicy decides who may reach it
        query_port=number("CLICKSTREAM_QUERY_PORT", port if isinstance(port, int) else 8080, 1, 65535),
        admin_port=number("CLICKSTREAM_ADMIN_PORT", 8081, 1, 65535),
        assignment=assignment,
        log_level=one_of("CLICKSTREAM_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        log_format=one_of("CLICKSTREAM_LOG_FORMAT", "text", ("json", "text")),
    )


def _host_ordinal() -> int:
    match = re.search(r"-([0-9]{1,4})$", socket.gethostname())
    return int(match.group(1)) if match else -1


def _convert_section(
    document: object,
    section: type[Struct],
    path: str,
    problems: list[str],
    ignored: list[str],
    skip: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the section's fields as keyword arguments; problems and unknown fields are noted with paths."""
    if not isinstance(document, dict):
        problems.append(f"{path}: must be an object, not {_shown(document)}")
        return {}
    values: dict[str, Any] = {}
    known = {info.encode_name: info for info in msgspec.structs.fields(section) if info.name not in skip}
    for name, info in known.items():
        where = f"{path}.{name}" if path else name
        given = document.get(name)
        if given is None:  # an explicit null is the same as nothing given, as for the API server
            if info.required:
                problems.append(f"{where}: missing")
        elif (inner := _section_of(info.type)) is not None:
            before = len(problems)
            convert = _convert_list if get_origin(info.type) is list else _section
            sections = convert(given, inner, where, problems, ignored)
            if len(problems) == before:
                values[info.name] = sections
        else:
            if said := bounds.problem_of(where, given):
                problems.append(f"{where}: {_shown(given)}: {said}")
                continue
            try:
                values[info.name] = msgspec.convert(given, info.type, dec_hook=decode_unit)
            except (msgspec.ValidationError, ValueError) as error:
                problems.append(f"{where}: {_shown(given)}: {error}")
    ignored += [f"{path}.{name}" if path else name for name in document if name not in known]
    return values


def _section(
    document: object, section: type[Struct], path: str, problems: list[str], ignored: list[str]
) -> Struct | None:
    """Return a section; None where it is wrong."""
    before = len(problems)
    arguments = _convert_section(document, section, path, problems, ignored)
    return section(**arguments) if len(problems) == before else None


def _convert_list(
    document: object, section: type[Struct], path: str, problems: list[str], ignored: list[str]
) -> list[Struct | None]:
    """Return a list of sections."""
    if not isinstance(document, list):
        problems.append(f"{path}: must be a list, not {_shown(document)}")
        return []
    return [_section(each, section, f"{path}[{at}]", problems, ignored) for at, each in enumerate(document)]


def _section_of(kind: Any) -> type[Section] | None:
    for choice in (kind, *get_args(kind)):
        if isinstance(choice, type) and issubclass(choice, Section):
            return choice
    return None


def _broken_rules(values: dict[str, Any], pod: PodEnvironment) -> list[str]:
    """Return what no single field shows."""
    problems: list[str] = []
    processing: Processing = values.get("processing", Processing())
    window, transform = processing.window, processing.transform
    problems += bounds.window_problems(
        window.size_ms, window.advance_ms, window.grace_ms, window.retention_ms
    )
    problems += bounds.transform_problems(transform.set, transform.drop)
    topics: Topics = values.get("topics", Topics())
    problems += bounds.topic_problems({name: getattr(topics, name) for name in bounds.TOPIC_FIELDS})
    kafka: Kafka = values["kafka"]
    if kafka.authentication is not None and kafka.authentication.type == "tls" and kafka.tls is None:
        problems.append("kafka.authentication.type: tls needs kafka.tls")
    if kafka.authentication is not None:
        wants_tokens = kafka.authentication.type == "oauthbearer"
        if wants_tokens != (kafka.authentication.oauth is not None):
            problems.append("kafka.authentication.oauth: goes with type oauthbearer, and with no other")
    pods, partitions = pod.static_pods, topics.partitions
    if pods is not None and pods > partitions:
        problems.append(f"CLICKSTREAM_ASSIGNMENT: {pods} pods are more than topics.partitions ({partitions})")
    if pods is not None and pod.ordinal >= pods:
        problems.append(
            f"CLICKSTREAM_ORDINAL: {pod.ordinal} is not one of the {pods} pods of CLICKSTREAM_ASSIGNMENT"
        )
    return problems


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:77] + "..."
