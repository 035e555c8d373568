"""The kinds of values a ClickPipeline's fields take, each with the phrase that says what is allowed.

The patterns are the CRD's own: a test feeds both the same documents.
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from ipaddress import ip_network
from typing import Annotated, Any

from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.expression import (
    compile_filter,
    compile_key,
    compile_number,
    compile_output,
    compile_scalar,
)
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from clickstream_operator.spec import tables

_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_QUANTITY = re.compile(r"^(\d{1,18}(?:\.\d{1,9})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")
_QUANTITY_FACTOR = {"": 1.0, "m": 0.001} | {
    suffix: float(base ** (power + 1))
    for base, suffixes in ((1000, "k M G T P E"), (1024, "Ki Mi Gi Ti Pi Ei"))
    for power, suffix in enumerate(suffixes.split())
}


def duration_ms(text: str) -> int:
    """Return the milliseconds of a duration such as `100ms`, `5m` or `30d`."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text).groups()  # type: ignore[union-attr]
    return int(number) * _DURATION_MS[unit]


def quantity(text: str | int) -> float:
    """Return the plain number of a Kubernetes quantity such as `10Gi` or `500m`."""
    number, suffix = _QUANTITY.fullmatch(str(text)).groups()  # type: ignore[union-attr]
    return float(number) * _QUANTITY_FACTOR[suffix or ""]


def is_quantity(value: object) -> bool:
    """Tell whether a value is a Kubernetes quantity."""
    return (
        isinstance(value, str | int) and not isinstance(value, bool) and bool(_QUANTITY.fullmatch(str(value)))
    )


def _fault(allowed: str) -> PydanticCustomError:
    # The text is a value, not a template: braces in it must survive.
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": allowed})


def _text(pattern: str, allowed: str, longest: int) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if len(value) > longest:
            raise _fault(f"must be at most {longest} characters")
        if not compiled.fullmatch(value):
            raise _fault(f"must be {allowed}")
        return value

    return AfterValidator(check)


def _span(pattern: str, shortest: str, longest: str, units: str) -> AfterValidator:
    compiled = re.compile(pattern)
    allowed = f"must be a duration from {shortest} to {longest}: a whole number and one of {units}"

    def check(value: str) -> str:
        if not compiled.fullmatch(value) or not duration_ms(shortest) <= duration_ms(value) <= duration_ms(
            longest
        ):
            raise _fault(allowed)
        return value

    return AfterValidator(check)


@lru_cache(maxsize=1_000)
def _condition(value: str) -> str:  # kept: every look at a pipeline reads its spec again
    try:
        compile_filter(value)
    except InvalidExpression as error:
        raise _fault(error.verdict) from error
    return value


def _expression(compiled: Callable[[str, str], object]) -> AfterValidator:
    @lru_cache(maxsize=1_000)
    def check(value: str) -> str:
        try:
            compiled("", value)
        except InvalidExpression as error:
            raise _fault(error.verdict) from error
        return value

    return AfterValidator(check)


def _network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError:
        raise _fault(
            "must be a network such as 10.0.0.0/8: its address has no bits beyond the length"
        ) from None
    return value


def _amount(value: Any) -> str:
    if not is_quantity(value):
        raise _fault("must be a quantity such as 500m, 2 or 10Gi")
    return str(value)


_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DURATION = r"[0-9]{1,9}(ms|s|m|h)"

ObjectName = Annotated[
    str, _text(rf"{_NAME}(\.{_NAME})*", "a Kubernetes name: lower-case letters, digits, - and .", 253)
]
PipelineId = Annotated[
    str, _text(rf"{_NAME}(\.{_NAME})*", "lower-case letters, digits, - and single dots between them", 200)
]
TopicName = Annotated[
    str, _text(r"(?!\.{1,2}$)[a-zA-Z0-9._-]+", "a topic name: letters, digits, ., _ and -", 249)
]
Bootstrap = Annotated[
    str,
    _text(
        r"[a-zA-Z0-9.\-\[\]:]+:[0-9]{1,5}(,[a-zA-Z0-9.\-\[\]:]+:[0-9]{1,5})*",
        "host:port, several separated by commas",
        1024,
    ),
]
Host = Annotated[str, _text(r"[a-zA-Z0-9.\-:\[\]]+", "a host name or an address", 253)]
Alias = Annotated[
    str, _text(r"[a-zA-Z0-9_-]+", "the alias of a config provider: letters, digits, _ and -", 63)
]
Database = Annotated[str, _text(r"[a-zA-Z0-9_\-]+", "a database name: letters, digits, _ and -", 63)]
Table = Annotated[
    str,
    _text(
        tables.TABLE,
        "schema.table, such as public.user_profiles; what SQL would quote in quotes: "
        '"tenant-1"."User Profiles"',
        131,
    ),
]
Column = Annotated[
    str, _text(tables.COLUMN, "a column's name as PostgreSQL stores it, without quotes around it", 63)
]
Slot = Annotated[str, _text(r"[a-z0-9_]+", "a replication slot's name: lower-case letters, digits and _", 63)]
HttpUrl = Annotated[
    str,
    _text(
        r"https?://[a-zA-Z0-9.\-\[\]:]+(/[^?#@$\s]*)?",
        "an http or https URL without user info, query and fragment, such as http://search:9200",
        1024,
    ),
]
# The Kafka client sends the scope as it is, in a form's body: nothing that would end the field.
OAuthScope = Annotated[
    str,
    _text(r"[A-Za-z0-9:/._~-]+( [A-Za-z0-9:/._~-]+)*", "scopes of letters, digits and : / . _ ~ -", 1024),
]
OAuthExtension = Annotated[str, _text(r"(?!auth$)[A-Za-z]+", "letters alone, and not auth", 64)]
OAuthValue = Annotated[
    str, _text(r"[A-Za-z0-9:/._~+@-]+", "letters, digits and : / . _ ~ + @ -, without commas", 256)
]
IndexPrefix = Annotated[
    str,
    _text(
        r"[a-z0-9][a-z0-9._-]*",
        "an index name: lower-case letters, digits, ., _ and -, none of these first",
        200,
    ),
]
OutputField = Annotated[
    str, _text(r"[a-zA-Z_][a-zA-Z0-9_]*", "a field name: letters, digits and _, no digit first", 63)
]
ResourceName = Annotated[
    str, _text(rf"{_NAME}([./]{_NAME})*", "a resource such as cpu, memory or ephemeral-storage", 253)
]
Quantity = Annotated[str, BeforeValidator(_amount)]
Days = Annotated[str, _span(r"[1-9][0-9]{0,4}d", "1d", "36500d", "d")]
WindowSize = Annotated[str, _span(r"[1-9][0-9]{0,8}(s|m|h)", "1s", "744h", "s, m, h")]
Grace = Annotated[str, _span(_DURATION, "0ms", "744h", "ms, s, m, h")]
MaxFuture = Annotated[str, _span(_DURATION, "0ms", "87600h", "ms, s, m, h")]
Retention = Annotated[str, _span(_DURATION, "0ms", "87600h", "ms, s, m, h")]
CommitInterval = Annotated[str, _span(_DURATION, "10ms", "10s", "ms, s")]
TargetLag = Annotated[str, _span(_DURATION, "1s", "24h", "ms, s, m, h")]
Stabilization = Annotated[str, _span(_DURATION, "10s", "24h", "ms, s, m, h")]
Cooldown = Annotated[str, _span(_DURATION, "0ms", "24h", "ms, s, m, h")]
FailoverAfter = Annotated[str, _span(_DURATION, "2s", "1h", "ms, s, m, h")]
SessionGap = Annotated[str, _span(r"[1-9][0-9]{0,8}(s|m|h)", "1s", "24h", "s, m, h")]
DnsName = Annotated[
    str,
    _text(
        r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        "a host name in lower case, such as clicks.example.com",
        253,
    ),
]
Annotation = Annotated[
    str,
    _text(
        r"(?!clickstream\.dev/)([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?",
        "the name of an annotation, such as cert-manager.io/issuer, none of clickstream.dev/",
        317,
    ),
]
AnnotationValue = Annotated[str, _text(r"(.|\n)*", "text", 4096)]
Cidr = Annotated[
    str,
    _text(r"[0-9a-fA-F:.]+/[0-9]{1,3}", "a network such as 10.0.0.0/8 or fd00::/8", 50),
    AfterValidator(_network),
]
ClickField = Annotated[
    str,
    _text(
        r"click\.(?!(?:user_id|page_url|action|timestamp)$)[a-zA-Z_][a-zA-Z0-9_]{0,62}",
        "click. and a field's name, none of user_id, page_url, action and timestamp",
        69,
    ),
]
DedupSpan = Annotated[str, _span(r"[1-9][0-9]{0,8}(s|m|h)", "1s", "168h", "s, m, h")]
SessionGrace = Annotated[str, _span(_DURATION, "0ms", "24h", "ms, s, m, h")]
Condition = Annotated[str, AfterValidator(_condition)]
Value = Annotated[str, _expression(compile_output)]
# Of a metric: over click and profile, or with `of: sessions` over session and profile (metric_rules.py).
MetricCondition = Annotated[str, _expression(lambda name, source: compile_filter(source, name, "either"))]
MetricKey = Annotated[str, _expression(partial(compile_key, subject="either"))]
Number = Annotated[str, _expression(partial(compile_number, subject="either"))]
Scalar = Annotated[str, _expression(partial(compile_scalar, subject="either"))]
SecretKey = Annotated[str, _text(r"[a-zA-Z0-9._-]+", "a key of a Secret: letters, digits, ., _ and -", 253)]
PluginClass = Annotated[
    str,
    _text(
        r"[a-zA-Z_$][a-zA-Z0-9_$]*(\.[a-zA-Z_$][a-zA-Z0-9_$]*)+",
        "a connector's class with its package, such as io.confluent.connect.s3.S3SinkConnector",
        253,
    ),
]
Option = Annotated[
    str, _text(r"[a-zA-Z0-9._$/-]+", "an option of a connector: letters, digits, ., _, $, / and -", 253)
]
# ${provider:path:key} is how Connect's config providers are asked; ${topic} is some connector's own.
OptionValue = Annotated[
    str,
    _text(
        r"(?s)(?!.*[$][{][^}]*:).*",
        "without ${provider:...}: name a Secret's key in `secrets` instead",
        4096,
    ),
]
SinkName = Annotated[
    str, _text(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "lower-case letters, digits and -, no - at either end", 40)
]
SinkTopic = Annotated[
    str, _text(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "enriched, metrics, sessions or the name of a metric", 63)
]
MetricName = Annotated[
    str, _text(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "lower-case letters, digits and -, no - at either end", 63)
]
# In the order in which the API server has them: state is kept by it, so it must not depend on the reader.
Keys = Annotated[
    dict[OutputField, MetricKey],
    AfterValidator(lambda by: dict(sorted(by.items()))),
]
Port = Annotated[int, Field(ge=1, le=65535)]
