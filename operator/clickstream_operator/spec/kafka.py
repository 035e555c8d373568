"""The connection to Kafka: where it is, its certificates, and who logs in how."""

from typing import Literal

from pydantic import Field

from clickstream_operator.spec import fields
from clickstream_operator.spec.model import Model


class KafkaTls(Model):
    ca_secret: fields.ObjectName | None = None  # key ca.crt; None: the authorities that everybody trusts


class OAuth(Model):
    token_endpoint: fields.HttpUrl
    scope: fields.OAuthScope | None = None
    extensions: dict[fields.OAuthExtension, fields.OAuthValue] = Field(default={}, max_length=10)
    ca_secret: fields.ObjectName | None = None  # of the endpoint's certificate, key ca.crt


class Authentication(Model):
    type: Literal["scram-sha-256", "scram-sha-512", "plain", "tls", "oauthbearer"]
    user: fields.ObjectName  # a Secret, its keys: `manifests.secrets.USER_KEYS`
    controller_user: fields.ObjectName | None = None  # whom the operator is; None: the same
    oauth: OAuth | None = None  # where oauthbearer gets its tokens
    allow_clear_text: bool = False  # a password may go over a connection without TLS


class Kafka(Model):
    bootstrap_servers: fields.Bootstrap
    cluster: fields.ObjectName | None = None  # the Strimzi Kafka; required when topics.manage
    tls: KafkaTls | None = None
    authentication: Authentication | None = None
