"""KafkaUsers with SCRAM passwords: a Secret of the user's name, and the password in Kafka."""

import base64
import secrets

from strimzi_stand_in import kafka
from strimzi_stand_in.api import Api, Document, Refused
from strimzi_stand_in.conditions import ready

PLURAL = "kafkausers"


def reconcile(api: Api, user: Document) -> None:
    """Make one user so."""
    meta = user["metadata"]
    if meta.get("deletionTimestamp") or user.get("status", {}).get("secret"):
        return
    path = f"/api/v1/namespaces/{meta['namespace']}/secrets/{meta['name']}"
    try:
        data = api.request("GET", path)["data"]
        password = base64.b64decode(data["password"]).decode()
    except Refused as refused:
        if refused.code != 404:
            raise
        password = secrets.token_urlsafe(24)
        api.apply(path, _secret(meta["name"], meta["namespace"], password))
    kafka.set_password(
        kafka.client(meta["labels"]["strimzi.io/cluster"], meta["namespace"]), meta["name"], password
    )
    api.write_status(PLURAL, user, ready(user, username=meta["name"], secret=meta["name"]))


def _secret(name: str, namespace: str, password: str) -> Document:
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    login = f'{module} required username="{name}" password="{password}";'
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"strimzi.io/kind": "KafkaUser"}},
        "stringData": {"password": password, "sasl.jaas.config": login},
    }
