"""Runs helm and hands on what it makes."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

OLDEST, NEWEST = "1.30.0", "1.37.0"
MONITORING = "monitoring.coreos.com/v1"
Object = dict[str, Any]


class Refused(Exception):
    """Helm did not render; the message is what it says."""


@dataclass(frozen=True)
class Chart:
    """A chart, a folder or a package, and the helm to render it with."""

    helm: str
    path: Path

    def text(
        self,
        values: Object | None = None,
        *,
        release: str = "clickstream",
        namespace: str = "ops",
        kubernetes: str = NEWEST,
        monitoring: bool = True,
    ) -> str:
        """Return the manifest of a release. Raises Refused."""
        kinds = ["PodMonitor", "ServiceMonitor", "PrometheusRule"]
        apis = [MONITORING, *(f"{MONITORING}/{kind}" for kind in kinds)] if monitoring else []
        command = ["template", release, str(self.path), "--namespace", namespace, "--values", "-"]
        command += ["--kube-version", kubernetes, *(f"--api-versions={api}" for api in apis)]
        return self.run(*command, text=yaml.safe_dump(values or {}))

    def run(self, *arguments: str, text: str = "") -> str:
        """Return what helm prints. Raises Refused."""
        command = [self.helm, *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode != 0:
            raise Refused(done.stderr)
        return done.stdout

    def objects(self, values: Object | None = None, **options: Any) -> list[Object]:
        """Return the objects of a release."""
        return [document for document in yaml.safe_load_all(self.text(values, **options)) if document]

    def lint(self, values: Object, kubernetes: str) -> subprocess.CompletedProcess[str]:
        """Run helm lint --strict."""
        command = [
            self.helm,
            "lint",
            "--strict",
            str(self.path),
            "--kube-version",
            kubernetes,
            "--values",
            "-",
        ]
        text = yaml.safe_dump(values)
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=240, check=False)


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """Return the objects of one kind."""
    return [each for each in objects if each["kind"] == kind]


def named(each: Object) -> str:
    """Return kind, namespace and name, for messages and comparisons."""
    meta = each["metadata"]
    return f"{each['kind']} {meta.get('namespace', '')}/{meta['name']}"


PIPELINE: Object = {
    "kafka": {"bootstrapServers": "events-kafka-bootstrap:9092", "cluster": "events"},
    "connect": {"cluster": "events-connect"},
    "source": {
        "postgres": {
            "host": "postgres",
            "database": "shop",
            "table": "public.user_profiles",
            "credentialsSecret": "postgres-credentials",
        }
    },
    "sink": {"search": {"url": "http://search:9200"}},
}

DIGEST = "sha256:" + "a" * 64

# Everything that can be switched on, with names as long as they may be.
FULL: Object = {
    "commonLabels": {"team": "data"},
    "image": {"registry": "registry.example.com/team", "pullPolicy": "Always", "pullSecrets": ["pull"]},
    "operator": {
        "image": {"digest": DIGEST},
        "replicas": 3,
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "podLabels": {"sidecar": "none"},
        "podAnnotations": {"note": "yes"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "x", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
    },
    "serviceAccount": {"annotations": {"role": "operator"}},
    "metrics": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "runbookUrl": "https://wiki.example.com/runbooks/",
        },
        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Clickstream"}},
    },
    "pipelines": {"storefront": PIPELINE},
}

NAMESPACED: Object = {
    "watchNamespaces": ["shop", "web"],
    "rbac": {"aggregate": False},
    "crds": {"enabled": False},
}
VARIANTS: dict[str, Object] = {"default": {}, "full": FULL, "namespaced": NAMESPACED}
