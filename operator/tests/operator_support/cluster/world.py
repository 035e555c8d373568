"""A cluster with everything a pipeline needs, and the operator as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from clickstream_local.machine.ports import free_port
from clickstream_local.testing.eventually import eventually

from operator_support import REPOSITORY
from operator_support.cluster.controlplane import OPERATOR, ControlPlane, Refused, die_with_parent
from operator_support.cluster.standins import PLUGINS, STRIMZI, StandIns
from operator_support.documents import reference

PIPELINES = "/apis/clickstream.dev/v1alpha1"
CRDS = REPOSITORY / "crds"
CRD = CRDS / "clickpipelines.clickstream.dev.yaml"
HERE = Path(__file__).parent
Figure = Callable[..., None]  # keeps measured figures, by name
PASSWORD = "hunter2hunter2"  # noqa: S105  # must show up nowhere


class World:
    """The cluster, the stand-ins and the operators of one test module."""

    def __init__(self, plane: ControlPlane, with_strimzi: bool = True) -> None:
        self.plane = plane
        self.with_strimzi = with_strimzi
        self.standins = StandIns(plane)
        self.operators: list[OperatorProcess] = []

    def prepare(self) -> None:
        """Install CRDs, rights and the operator's namespace, and let the stand-ins begin."""
        self.plane.kubectl("create", "namespace", "clickstream")
        self.plane.kubectl("apply", "--server-side", "-f", str(CRDS), "-f", str(HERE / "rbac.yaml"))
        if self.with_strimzi:
            self.plane.kubectl("apply", "--server-side", "-f", str(HERE / "crds"))
            eventually(
                lambda: self.plane.items(f"{STRIMZI}/kafkaconnects") == [], "Strimzi's kinds are served"
            )
        for plural in ("clickpipelines", "clickreplays", "clickerasures"):
            eventually(partial(self._is_empty, f"{PIPELINES}/{plural}"), f"{plural} are served")
        self.standins.start()

    def _is_empty(self, path: str) -> bool:
        return self.plane.items(path) == []

    def close(self) -> None:
        """Stop every operator and the stand-ins."""
        for operator in self.operators:
            operator.kill()
        self.standins.stop()

    def namespace(self, name: str) -> str:
        """Make a namespace with a Connect, the Secrets of the examples, and Connect's right to read them."""
        post = partial(self.plane.request, "POST")
        post("/api/v1/namespaces", {"metadata": {"name": name}})
        credentials = secret(name, "postgres-credentials", username="debezium", password=PASSWORD)
        post(f"/api/v1/namespaces/{name}/secrets", credentials)
        role, binding = rights(name)
        group = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}"
        post(f"{group}/roles", role)
        post(f"{group}/rolebindings", binding)
        if self.with_strimzi:
            self.connect(name)
        return name

    def connect(self, namespace: str) -> None:
        """Make a Connect that has the plugins."""
        topics = {f"{use}StorageTopic": f"connect-{use}" for use in ("config", "offset", "status")}
        document = {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaConnect",
            "metadata": {
                "name": "events-connect",
                "namespace": namespace,
                "annotations": {"strimzi.io/use-connector-resources": "true"},
            },
            "spec": {
                "bootstrapServers": "events-kafka-bootstrap:9092",
                "groupId": "connect",
                **topics,
                "replicas": 1,
            },
        }
        path = f"{STRIMZI}/namespaces/{namespace}/kafkaconnects"
        self.plane.request("POST", path, document)
        status = {"status": {"connectorPlugins": [{"class": p, "type": "source"} for p in PLUGINS]}}
        self.plane.merge(f"{path}/events-connect/status", status)

    def operator(self, server: str | None = None, **environment: str) -> "OperatorProcess":
        """Start an operator."""
        operator = OperatorProcess(self.plane, self.standins.pod_url, server, environment)
        self.operators.append(operator)
        operator.start()
        return operator

    def create(self, namespace: str, name: str = "storefront", **spec: Any) -> dict[str, Any]:
        """Create a pipeline."""
        document = pipeline_document(namespace, name, **spec)
        path = f"{PIPELINES}/namespaces/{namespace}/clickpipelines"
        return dict(self.plane.request("POST", path, document))

    def pipeline(self, namespace: str, name: str = "storefront") -> Any:
        """Return a pipeline, None when it is gone."""
        return self.plane.get(path_of(namespace, name))

    def condition(self, namespace: str, kind: str, name: str = "storefront") -> dict[str, Any]:
        """Return a condition, {} when there is none."""
        status = (self.pipeline(namespace, name) or {}).get("status", {})
        return next((c for c in status.get("conditions", []) if c["type"] == kind), {})

    def is_ready(self, namespace: str, name: str = "storefront") -> bool:
        """Tell whether the pipeline is Ready for its present spec."""
        ready = self.condition(namespace, "Ready", name)
        found = self.pipeline(namespace, name)
        return (
            ready.get("status") == "True" and ready["observedGeneration"] == found["metadata"]["generation"]
        )

    def wait_ready(self, namespace: str, name: str = "storefront", timeout_s: float = 180) -> None:
        """Wait until it is; fail with its conditions."""
        try:
            eventually(lambda: self.is_ready(namespace, name), timeout_s=timeout_s)
        except AssertionError:
            raise AssertionError(
                json.dumps((self.pipeline(namespace, name) or {}).get("status"), indent=1)
            ) from None

    def wait_for_looks(self, operator: "OperatorProcess", rounds: int = 2) -> None:
        """Wait until an operator has looked at pipelines so many times as there are, times `rounds`."""
        count = "clickstream_operator_reconcile_duration_seconds_count"
        enough = operator.metric(count) + rounds * len(self.plane.items(f"{PIPELINES}/clickpipelines"))
        eventually(
            lambda: operator.metric(count) >= enough, f"{rounds} looks at each pipeline", timeout_s=600
        )

    def writes(self, part: str) -> list[tuple[str, str]]:
        """Return the operators' writes so far whose address has this part: verb and address."""
        entries = ((entry["verb"], entry["requestURI"]) for entry in self.plane.writes())
        return [(verb, uri) for verb, uri in entries if part in uri]

    def events(self, namespace: str) -> list[dict[str, Any]]:
        """Return the Events of a namespace."""
        return self.plane.items(f"/api/v1/namespaces/{namespace}/events")


class OperatorProcess:
    """`python -m clickstream_operator` against a cluster."""

    def __init__(
        self, plane: ControlPlane, pod_url: str, server: str | None, environment: dict[str, str]
    ) -> None:
        self.port = free_port()
        self.log = plane.folder / f"operator-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(plane.folder),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "KUBECONFIG": str(plane.kubeconfig(OPERATOR, server)),
            "CLICKSTREAM_PROCESSOR_IMAGE": "registry.test/processor:1",
            "CLICKSTREAM_COLLECTOR_IMAGE": "registry.test/collector:1",
            "CLICKSTREAM_HTTP_HOST": "127.0.0.1",
            "CLICKSTREAM_HTTP_PORT": str(self.port),
            "CLICKSTREAM_POD_URL": pod_url,
            "CLICKSTREAM_IDENTITY": f"operator-{self.port}",
            "CLICKSTREAM_LOG_LEVEL": "INFO",
            "CLICKSTREAM_SLOT_SETTLE_SECONDS": "1",
            "CLICKSTREAM_CONTROLLERS": "off",  # there is no Kafka here
            **environment,
        }

    def start(self) -> None:
        """Start it, without waiting for anything."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "clickstream_operator"]
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, preexec_fn=die_with_parent
            )

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process
        return self._process.pid

    def is_running(self) -> bool:
        """Tell whether it lives."""
        return self._process is not None and self._process.poll() is None

    def terminate(self, timeout_s: float = 120) -> int:
        """Stop it in order and return its exit status; print its last lines when that is not 0.

        Raises TimeoutExpired when it does not end; it is killed then, for it would keep its lease.
        """
        assert self._process
        self._process.terminate()
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            print(self.log.read_text()[-6000:])
            self.kill()
            raise
        if status:
            print(self.log.read_text()[-6000:])
        return status

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let it see and do nothing for a moment."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of an HTTP answer of the operator's own."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str, labels: str = "") -> float:
        """Return a metric's value, 0 when it is not there."""
        return self.metrics(f"{name}{labels}")[0]

    def metrics(self, *series: str) -> list[float]:
        """Return the values of these series, as they are written, of one moment; 0 for what is not there."""
        lines = [line.rpartition(" ") for line in self.get("/metrics")[1].splitlines()]
        values = {name: value for name, _, value in lines if name in series}
        return [float(values.get(name, 0)) for name in series]

    def rss_mib(self) -> float:
        """Return its resident memory."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS"))

    def threads(self) -> int:
        """Return how many threads it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def files(self) -> int:
        """Return how many file descriptors it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def cpu_s(self) -> float:
        """Return the processor time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_leader(self) -> bool:
        """Tell whether it works."""
        try:
            return self.is_running() and self.metric("clickstream_operator_leader") == 1
        except OSError:
            return False


def objects_of(plane: ControlPlane, shop: str) -> dict[str, dict[str, Any]]:
    """Return the objects of a namespace's pipelines by path."""
    selector = "labelSelector=clickstream.dev/pipeline"
    core = [f"/api/v1/namespaces/{shop}/{plural}" for plural in ("configmaps", "services", "serviceaccounts")]
    others = {
        "/apis/apps/v1": "statefulsets",
        "/apis/policy/v1": "poddisruptionbudgets",
        "/apis/networking.k8s.io/v1": "networkpolicies",
    }
    strimzi = [f"{STRIMZI}/namespaces/{shop}/{plural}" for plural in ("kafkatopics", "kafkaconnectors")]
    paths = [*core, *(f"{group}/namespaces/{shop}/{plural}" for group, plural in others.items()), *strimzi]
    return {f"{p}/{o['metadata']['name']}": o for p in paths for o in plane.items(f"{p}?{selector}")}


def path_of(namespace: str, name: str = "storefront") -> str:
    """Return a pipeline's path."""
    return f"{PIPELINES}/namespaces/{namespace}/clickpipelines/{name}"


def pipeline_document(namespace: str, name: str = "storefront", **spec: Any) -> dict[str, Any]:
    """Return the reference example under another name, sections of its spec replaced or added."""
    document = reference()
    document["metadata"] = {"name": name, "namespace": namespace}
    document["spec"] |= spec
    return dict(document)


def secret(namespace: str, name: str, **values: str) -> dict[str, Any]:
    """Return a Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": values,
    }


def rights(namespace: str) -> list[dict[str, Any]]:
    """Return the Role and RoleBinding by which the Connect may read the Secrets of a namespace."""
    meta = {"name": "connect-secrets", "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": meta,
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "connect-secrets"},
            "subjects": [
                {"kind": "ServiceAccount", "name": "events-connect-connect", "namespace": namespace}
            ],
        },
    ]


__all__ = ["OperatorProcess", "Refused", "World", "path_of", "pipeline_document", "rights", "secret"]


def claim(shop: str, ordinal: int, storage_class: str) -> dict[str, Any]:
    """Return the claim of a pod, as the StatefulSet controller would make it."""
    labels = {"app.kubernetes.io/name": "clickstream-processor", "clickstream.dev/pipeline": "storefront"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"data-storefront-processor-{ordinal}", "namespace": shop, "labels": labels},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "volumeName": f"{shop}-{ordinal}",
            "resources": {"requests": {"storage": "10Gi"}},
        },
    }
