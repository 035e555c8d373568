"""The pipelines of examples/, parsed, and every object of one."""

import yaml
from clickstream_operator.kube.kinds import Wanted
from clickstream_operator.lifecycle.desired import desired_objects
from clickstream_operator.manifests import names, topics
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.observed import Observed, PodState, SecretState
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse

from operator_support import REPOSITORY

PLATFORM = Platform(
    "registry.example.com/clickstream/processor:1.2.3",
    collector_image="registry.example.com/clickstream/collector:1.2.3",
)
ALL_SECRETS = (
    "postgres-credentials",
    "search-credentials",
    "events-cluster-ca-cert",
    "secured",
    "query-tokens",
    "search-ca",
    "collector",
    "collector-keys",
    "storefront-collector",
    "s3-credentials",
    "storefront",
)


def example(name: str) -> ClickPipeline:
    """Return examples/NAME.yaml."""
    return parse(yaml.safe_load((REPOSITORY / f"examples/{name}.yaml").read_text()))


def everything(pipeline: ClickPipeline) -> list[Wanted]:
    """Return all objects, as when every step of the start has been taken."""
    keys = frozenset(
        ("username", "password", "ca.crt", "user.crt", "user.key", "token", "keys", "id", "secret")
    )
    found = {
        name: SecretState(keys, f"digest of {name}") for name in (*ALL_SECRETS, f"{pipeline.name}-peer-key")
    }
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    topic_objects = {("KafkaTopic", names.topic_object(t.name)): ready for t in topics.topic_specs(pipeline)}
    observed = Observed(
        children=topic_objects,
        strimzi_version="v1",
        has_gateways=True,
        secrets=found,
        pods={0: PodState(0, index_ready=True, index_detail="", tasks={})},
    )
    return desired_objects(pipeline, "00000000-0000-0000-0000-000000000000", PLATFORM, observed)
