"""Rules across fields of a ClickPipeline.

They read the raw document with defaults beside it, and each skips what is absent or of the wrong
kind, so that a broken field elsewhere hides no broken rule. The CRD has the same rules in CEL.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from clickstream_operator.errors import Problem
from clickstream_operator.spec.chosen_rules import broken_chosen_rules
from clickstream_operator.spec.fields import duration_ms
from clickstream_operator.spec.metric import Sessions
from clickstream_operator.spec.metric_rules import broken_metric_rules, metric_topics
from clickstream_operator.spec.raw import Raw

TOPIC_FIELDS = ("clicks", "profiles", "enriched", "metrics", "deadLetters")
# The pipeline's own topics, named `<id>-...`; whether it has metrics or not, no other may have such a name.
INTERNAL_TOPICS = (
    "arrivals",
    "changelog",
    "partials",
    "metrics-changelog",
    "positions",
    "assignment",
    "acks",
    "notifications",
    "identities",
)
# Of them the broker gets the secret itself, not a proof of it.
CLEAR_TEXT_TYPES = ("plain", "oauthbearer")
SESSIONS_TOPIC = "processing.sessions.topic"
ADMIN_PORT = 8081
# The document's id, its owner and its day: the index, the join and the window stand on them.
KEPT_OUTPUT_FIELDS = ("event_id", "user_id", "timestamp")
# A query of one user reads, and `detail` lists, what this many windows hold; and a click counts in fewer.
MAX_WINDOWS = 20_000
TOO_MANY_WINDOWS = (
    f"must keep at most {MAX_WINDOWS} windows of a user: (2 x size + grace + retention) / advance, "
    "where advance is the size unless given"
)
_DURATION = re.compile(r"\d{1,9}(ms|s|m|h|d)")


def broken_rules(
    raw: Mapping[str, Any], defaults: Mapping[str, Any], metric: Mapping[str, Any]
) -> list[Problem]:
    """Return the problems that only several fields together show. `metric`: the defaults of a metric."""
    document = Raw(raw, defaults)
    metrics = document.get("processing.metrics", list) or []
    topics: dict[str, str | None] = {
        f"topics.{field}": document.get(f"topics.{field}", str) for field in TOPIC_FIELDS
    }
    sessions = document.get("processing.sessions", dict)
    if sessions is not None:
        topics[SESSIONS_TOPIC] = sessions_topic(sessions)
    found = [
        problem
        for rule in (
            _replicas,
            _autoscale,
            _cluster,
            _user,
            _https,
            _api_key,
            _advance,
            _windows,
            _topics,
            _internal_topics,
            _outputs,
            _port,
            _collector,
            broken_chosen_rules,
        )
        for problem in rule(document)
    ]
    return [
        *found,
        *_sessions(topics),
        *broken_metric_rules(metrics, metric, topics, has_sessions=sessions is not None),
    ]


def sessions_topic(sessions: Mapping[str, Any]) -> str | None:
    """Return the topic of sessions as given, or its default; None where it is of another kind."""
    topic = sessions.get("topic") or Sessions.model_fields["topic"].default
    return topic if isinstance(topic, str) else None


def _sessions(topics: Mapping[str, str | None]) -> Iterator[Problem]:
    name = topics.get(SESSIONS_TOPIC)
    others = [field for field, other in topics.items() if other == name and field != SESSIONS_TOPIC]
    if name and others:
        yield Problem(f"spec.{SESSIONS_TOPIC}", f'"{name}"', f"must differ from {', '.join(others)}")


def _replicas(document: Raw) -> Iterator[Problem]:
    replicas, partitions = document.get("processors.replicas", int), document.get("topics.partitions", int)
    if replicas is not None and partitions is not None and replicas > partitions:
        yield Problem(
            "spec.processors.replicas",
            str(replicas),
            f"must be at most topics.partitions ({partitions}): a pod without a partition has no work",
        )


def _autoscale(document: Raw) -> Iterator[Problem]:
    low, high = (document.get(f"processors.autoscale.{name}", int) for name in ("min", "max"))
    partitions = document.get("topics.partitions", int)
    if high is not None and partitions is not None and high > partitions:
        yield Problem(
            "spec.processors.autoscale.max",
            str(high),
            f"must be at most topics.partitions ({partitions}): a pod without a partition has no work",
        )
    if high is not None and low is not None and low > high:
        yield Problem("spec.processors.autoscale.min", str(low), f"must be at most autoscale.max ({high})")


def _cluster(document: Raw) -> Iterator[Problem]:
    if document.get("topics.manage", bool) and document.get("kafka.cluster", object) is None:
        yield Problem(
            "spec.kafka.cluster",
            "",
            "is required while topics.manage is true: name the Strimzi Kafka that owns the topics, "
            "or set topics.manage: false and create them yourself",
        )


def _user(document: Raw) -> Iterator[Problem]:
    """Certificates need TLS, and so does a password or a token that goes to the broker as it is."""
    kind, tls = document.get("kafka.authentication.type", str), document.get("kafka.tls", object)
    if kind == "tls" and tls is None:
        yield Problem("spec.kafka.tls", "", "is required while kafka.authentication.type is tls")
    is_clear = document.get("kafka.authentication.allowClearText", bool) is True
    if kind in CLEAR_TEXT_TYPES and tls is None and not is_clear:
        needed = f"is required while kafka.authentication.type is {kind}, unless allowClearText is true"
        yield Problem("spec.kafka.tls", "", needed)
    oauth = document.get("kafka.authentication.oauth", object)
    if kind == "oauthbearer" and oauth is None:
        yield Problem("spec.kafka.authentication.oauth", "", "is required while type is oauthbearer")
    if kind is not None and kind != "oauthbearer" and oauth is not None:
        yield Problem("spec.kafka.authentication.oauth", "", "must not be set unless type is oauthbearer")
    endpoint = document.get("kafka.authentication.oauth.tokenEndpoint", str)
    if endpoint and not endpoint.startswith("https://") and not is_clear:
        needed = "must begin with https:// unless allowClearText is true: the client's secret goes there"
        yield Problem("spec.kafka.authentication.oauth.tokenEndpoint", f'"{endpoint}"', needed)


def _https(document: Raw) -> Iterator[Problem]:
    url = document.get("sink.search.url", str)
    if document.get("sink.search.tls", object) is not None and url and not url.startswith("https://"):
        yield Problem(
            "spec.sink.search.url", f'"{url}"', "must begin with https:// while sink.search.tls is set"
        )


def _api_key(document: Raw) -> Iterator[Problem]:
    """Only Elasticsearch takes API keys, and of the sinks only ours sends one."""
    if document.get("sink.search.apiKeySecret", str) is None:
        return
    path = "spec.sink.search.apiKeySecret"
    if document.get("sink.search.credentialsSecret", str) is not None:
        yield Problem(path, "", "must not be set beside credentialsSecret: the engine takes one of them")
    if document.get("sink.search.engine", str) != "elasticsearch":
        yield Problem(path, "", "needs engine elasticsearch: OpenSearch has no API keys")
    if document.get("sink.search.connector", str) not in (None, "clickstream"):  # the default
        yield Problem(path, "", "needs connector clickstream: the others send no API key")


def _port(document: Raw) -> Iterator[Problem]:
    if document.get("query.port", int) == ADMIN_PORT:
        yield Problem("spec.query.port", str(ADMIN_PORT), "must not be the pods' admin port")


def _collector(document: Raw) -> Iterator[Problem]:
    """Who may send: those with a key of a Secret, or anybody; and no autoscaler from more to fewer pods."""
    if document.get("collector", dict) is None:
        return
    keys, is_open = document.get("collector.keysSecret", str), document.get("collector.open", bool)
    if not keys and not is_open:
        needed = "is required unless open is true: a Secret with write keys under `keys`, one a line"
        yield Problem("spec.collector.keysSecret", "", needed)
    if keys and is_open:
        yield Problem(
            "spec.collector.open", "true", "must not be true beside keysSecret: nobody needs a key then"
        )
    if document.get("collector.kafkaUser", str) and document.get("kafka.authentication", dict) is None:
        yield Problem(
            "spec.collector.kafkaUser", "", "needs kafka.authentication: it says how the user proves itself"
        )
    least, most = (document.get(f"collector.autoscale.{name}", int) for name in ("min", "max"))
    if most is not None and most < (2 if least is None else least):
        yield Problem("spec.collector.autoscale.max", str(most), f"must be at least min ({least or 2})")
    requests, limits = (document.get(f"collector.resources.{name}", dict) for name in ("requests", "limits"))
    if most is not None and requests is not None and not {"cpu"} & {*requests, *(limits or {})}:
        needed = "must have cpu beside autoscale: its target is a share of that"
        yield Problem("spec.collector.resources.requests", "", needed)


def _advance(document: Raw) -> Iterator[Problem]:
    size, advance = (document.get(f"processing.window.{name}", str) for name in ("size", "advance"))
    if not (size and advance and _DURATION.fullmatch(size) and _DURATION.fullmatch(advance)):
        return
    if duration_ms(advance) > duration_ms(size):
        yield Problem(
            "spec.processing.window.advance",
            f'"{advance}"',
            f"must be at most size ({size}): clicks between two windows would not be counted",
        )


def _windows(document: Raw) -> Iterator[Problem]:
    names = ("size", "grace", "retention", "advance")
    texts = {name: document.get(f"processing.window.{name}", str) for name in names}
    given = {name: duration_ms(text) for name, text in texts.items() if text and _DURATION.fullmatch(text)}
    if len(given) < sum(text is not None for text in texts.values()):
        return  # said of the field itself
    step_ms = given.get("advance", given["size"])
    kept_ms = 2 * given["size"] + given["grace"] + given["retention"]
    if kept_ms // 1000 > MAX_WINDOWS * (step_ms // 1000):
        here = f"here it is {kept_ms // 1000}s / {step_ms // 1000}s"
        yield Problem("spec.processing.window", "", f"{TOO_MANY_WINDOWS}; {here}")


def _topics(document: Raw) -> Iterator[Problem]:
    names = {field: document.get(f"topics.{field}", str) for field in TOPIC_FIELDS}
    uses = Counter(name for name in names.values() if name)
    for field, name in names.items():
        if name and uses[name] > 1:
            others = ", ".join(other for other in names if names[other] == name and other != field)
            yield Problem(f"spec.topics.{field}", f'"{name}"', f"must differ from topics.{others}")


def _internal_topics(document: Raw) -> Iterator[Problem]:
    own = document.get("id", str)
    if not own:
        return  # said of the field itself
    given = {f"spec.topics.{field}": document.get(f"topics.{field}", str) for field in TOPIC_FIELDS}
    given |= metric_topics(document.get("processing.metrics", list) or [])
    if (sessions := document.get("processing.sessions", dict)) is not None:
        given[f"spec.{SESSIONS_TOPIC}"] = sessions_topic(sessions)
    for path, name in given.items():
        if name in [f"{own}-{purpose}" for purpose in INTERNAL_TOPICS]:
            purposes = ", ".join(f"-{purpose}" for purpose in INTERNAL_TOPICS)
            reserved = f"must not be one of the pipeline's own topics, {own} followed by one of {purposes}"
            yield Problem(path, f'"{name}"', reserved)


def _outputs(document: Raw) -> Iterator[Problem]:
    settings = document.get("processing.transform.set", dict) or {}
    drops = document.get("processing.transform.drop", list) or []
    kept = ", ".join(KEPT_OUTPUT_FIELDS)
    for name in settings:
        if name in KEPT_OUTPUT_FIELDS:
            yield Problem(
                f"spec.processing.transform.set.{name}", "", f"must not be set: {kept} stay as they are"
            )
        if name in drops:
            yield Problem(f"spec.processing.transform.set.{name}", "", "must not be set and dropped at once")
    for position, name in enumerate(drops):
        if name in KEPT_OUTPUT_FIELDS:
            yield Problem(
                f"spec.processing.transform.drop[{position}]",
                f'"{name}"',
                f"must not be dropped: {kept} stay as they are",
            )
