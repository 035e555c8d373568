"""Connectors whose class a pipeline chooses: the source of its profiles, and sinks for what it makes."""

import re

from pydantic import Field

from clickstream_operator.spec import fields
from clickstream_operator.spec.model import Model

MAX_OPTIONS = 100
MAX_SINKS = 10
# What the operator sets, and what would take the connector away from the pipeline or its clicks from it.
OWNED_OPTION = (
    r"name|connector[.]class|tasks[.]max|topics|topics[.]regex|errors[.].*|"
    r"consumer[.]override[.](isolation[.]level|auto[.]offset[.]reset|group[.]id)|"
    r"transforms[.]clickstreamProfiles[.].*"
)
# Options by these names hold secrets, but for those that say yes or no.
HIDDEN_OPTION = (
    r"(?i).*(password|passwd|passphrase|secret|token|credential|jaas|"
    r"(api|access|account|private|encryption)[._-]?key).*"
)


class SecretKey(Model):
    """One key of a Secret of the pipeline's namespace."""

    name: fields.ObjectName
    key: fields.SecretKey


class ChosenConnector(Model):
    """A connector of Kafka Connect, as its documentation has it."""

    plugin: fields.PluginClass = Field(alias="class")
    config: dict[fields.Option, fields.OptionValue] = Field(default={}, max_length=MAX_OPTIONS)
    # Option -> where Connect finds its value.
    secrets: dict[fields.Option, SecretKey] = Field(default={}, max_length=20)
    tasks_max: int = Field(default=1, ge=1, le=1000)


class SourceConnector(ChosenConnector):
    """A source that fills the profiles topic."""

    at_least: int = Field(default=0, ge=0, le=1_000_000_000)


class ProfilesTopic(Model):
    """Somebody else fills the profiles topic."""

    at_least: int = Field(default=0, ge=0, le=1_000_000_000)


class ChosenSink(Model):
    """Where records of one of the pipeline's topics go."""

    name: fields.SinkName
    topic: fields.SinkTopic
    connector: ChosenConnector


def is_owned(option: str) -> bool:
    """Tell whether the operator sets an option."""
    return re.fullmatch(OWNED_OPTION, option) is not None


def is_secret(option: str, value: str) -> bool:
    """Tell whether an option's value belongs into a Secret, by the option's name."""
    return value not in ("true", "false") and re.fullmatch(HIDDEN_OPTION, option) is not None
