"""Which Secrets a pipeline lacks, and the digest by which its pods learn that one has changed. Pure."""

import hashlib
from collections.abc import Mapping

from clickstream_operator.kube.kinds import Document
from clickstream_operator.manifests import names, secrets, statefulset
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline


def missing_secrets(pipeline: ClickPipeline, observed: Observed) -> list[tuple[str, str]]:
    """Return (secret, key) of what is referred to and not there; an empty key: the Secret itself."""
    missing = []
    for use in secrets.secret_uses(pipeline):
        state = observed.secrets.get(use.name)
        if state is None:
            missing.append((use.name, ""))
        else:
            missing += [(use.name, key) for key in use.keys if key not in state.keys]
    return missing


def secrets_hash(pipeline: ClickPipeline, observed: Observed, live: Document | None) -> str:
    """Return the digest of the mounted Secrets; while one is missing, the pods' own: no roll for nothing."""
    mounted = statefulset.mounted_secrets(pipeline)
    if live and not all(name in observed.secrets for name in mounted):
        annotations: Mapping[str, str] = live["spec"]["template"]["metadata"].get("annotations", {})
        return annotations.get(names.SECRETS_HASH, "")
    digests = [f"{name}={observed.secrets[name].digest}" for name in mounted if name in observed.secrets]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]
