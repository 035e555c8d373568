"""What the pipelines under test run on: Kafka, Connect, PostgreSQL, search, Strimzi or its stand-in."""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from clickstream_e2e.images import E2E, REPOSITORY
from clickstream_e2e.kube import Document, Failed, Kube, condition, eventually

NAMESPACE = "shop"
DATA_PLANE = E2E / "dataplane"
# What the tester sends with and checks with. It takes little of the last two.
TESTER = (
    E2E / "clickstream_tester",
    REPOSITORY / "chaos" / "clickstream_chaos",
    REPOSITORY / "local" / "clickstream_local",
)
REAL_STRIMZI = os.environ.get("STRIMZI") == "real"
BROKERS = int(os.environ.get("E2E_BROKERS") or 1)


# As many users as the tester's traffic has.
_ROWS = """
INSERT INTO public.user_profiles
SELECT 'user-' || lpad(n::text, 4, '0'), 'Name ' || n, 'u' || n || '@example.com',
       (ARRAY['US', 'FR', 'JP'])[n % 3 + 1], (ARRAY['free', 'premium'])[n % 2 + 1]
FROM generate_series(0, 199) n ON CONFLICT DO NOTHING
"""


class Platform:
    """Installs the data plane into the namespace of the pipelines."""

    def __init__(self, kube: Kube, images: Mapping[str, str]) -> None:
        self._kube = kube
        self._images = images

    def remove(self) -> None:
        """Remove what an earlier run left. First the finalizers: who takes them off goes as well."""
        kube = self._kube
        gone = ("--ignore-not-found", "--wait", "--timeout=300s")
        kube("delete", "namespace", "strimzi", "clickstream", *gone, timeout_s=310)
        known = kube("get", "crd", "--output=name")
        for kind in ("kafkatopics.kafka.strimzi.io", "clickpipelines.clickstream.dev"):
            if kind not in known:
                continue
            for name in kube("get", kind, "--namespace", NAMESPACE, "--output=name").split():
                off = '{"metadata":{"finalizers":null}}'
                kube("patch", name, "--namespace", NAMESPACE, "--type=merge", "--patch", off)
        kube("delete", "namespace", NAMESPACE, "tenant", *gone, timeout_s=310)

    def install(self) -> None:
        """Install everything and wait until it serves. Repeating it changes nothing.

        1. The namespace, with Pod Security `restricted`, and Secrets. 2. Strimzi's kinds and its stand-in, or
        nothing. 3. Brokers, database, search engine. 4. The Kafka user and Kafka Connect. 5. The tester.
        """
        self._namespace()  # 1
        if not REAL_STRIMZI:
            self._strimzi()  # 2
        for documents in self._parts():  # 3
            self._kube.apply(documents, NAMESPACE)
        self.wait_for_kafka()
        for name in ("postgres", "search"):
            self._kube.rolled_out(f"statefulset/{name}", NAMESPACE)
        self._profiles()
        self._kube.apply(self._clients(), NAMESPACE)  # 4
        self._tester()  # 5
        eventually("the Kafka user is there", lambda: self._is_ready("kafkauser", "storefront"))
        eventually("Kafka Connect is there", lambda: self._is_ready("kafkaconnect", "events-connect"), 300)

    def wait_for_kafka(self) -> None:
        """Wait until every broker is ready, whoever runs them."""
        brokers = range(BROKERS)
        eventually("every broker is ready", lambda: all(map(self._broker_is_ready, brokers)), 900)

    def _broker_is_ready(self, number: int) -> bool:
        pod = self._kube.get("pod", f"events-kafka-{number}", NAMESPACE)
        is_leaving = bool(pod["metadata"].get("deletionTimestamp"))
        return not is_leaving and bool(condition(pod, "Ready")["status"] == "True")

    def conflicts(self) -> list[str]:
        """Return what a server-side dry run says of each part that would be applied; nothing is changed."""
        said = []
        for document in (d for documents in (*self._parts(), self._clients()) for d in documents):
            name = f"{document['kind']} {document['metadata']['name']}"
            apply = (
                "apply",
                "--server-side",
                "--dry-run=server",
                "--namespace",
                NAMESPACE,
                "--filename",
                "-",
            )
            try:
                said.append(self._kube(*apply, stdin=yaml.safe_dump(document)).strip())
            except Failed as failure:
                said.append(f"{name}: {str(failure).partition(chr(10))[2].strip()}")
        return said

    def _parts(self) -> list[list[Document]]:
        kafka = "strimzi-kafka.yaml" if REAL_STRIMZI else "kafka.yaml"
        return [self._documents(name) for name in (kafka, "postgres.yaml", "search.yaml")]

    def _clients(self) -> list[Document]:
        """Return the pipeline's Kafka user and Kafka Connect."""
        user, *_ = self._documents("user.yaml")
        if REAL_STRIMZI:
            user["spec"]["authorization"] = {"type": "simple", "acls": documented_acls()}
        return [user, *self._documents("connect.yaml")]

    def _is_ready(self, kind: str, name: str) -> bool:
        return bool(condition(self._kube.get(kind, name, NAMESPACE), "Ready")["status"] == "True")

    def _documents(self, name: str) -> list[Document]:
        """Return the documents of a file: sized, with present images, pods that follow their ConfigMap."""
        text = (DATA_PLANE / name).read_text()
        text = text.replace("$BROKERS", str(BROKERS)).replace("$IN_SYNC", str(max(1, BROKERS - 1)))
        documents = list(yaml.safe_load_all(text))
        for document in documents:
            self._name_images(document)
            if document["kind"] == "StatefulSet":
                document["spec"]["template"]["metadata"]["annotations"] = {"file": digest({"text": text})}
        return documents

    def _name_images(self, value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("image"), str):
                value["image"] = self._images[value["image"]]
            for inner in value.values():
                self._name_images(inner)
        elif isinstance(value, list):
            for inner in value:
                self._name_images(inner)

    def _namespace(self) -> None:
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        self._kube.apply(
            [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}]
        )
        present = self._kube.names("secrets", NAMESPACE)
        if "postgres-credentials" not in present:
            credentials = {"username": "clickstream", "password": os.urandom(12).hex()}
            self._kube.apply([secret("postgres-credentials", credentials)], NAMESPACE)
        if "events-kafka-brokers" not in present and not REAL_STRIMZI:
            authority, broker = certificates(
                f"events-kafka-bootstrap.{NAMESPACE}.svc", "*.events-kafka-brokers"
            )
            self._kube.apply(
                [
                    secret("events-cluster-ca-cert", {"ca.crt": authority}),
                    secret("events-kafka-brokers", {"broker.pem": broker}),
                ],
                NAMESPACE,
            )

    def _strimzi(self) -> None:
        kinds = [
            *sorted((REPOSITORY / "operator/tests/operator_support/cluster/crds").glob("*.yaml")),
            *(DATA_PLANE / "crds").glob("*.yaml"),
        ]
        for path in kinds:
            self._kube.apply(yaml.safe_load_all(path.read_text()))
        documents = self._documents("strimzi-stand-in.yaml")
        self._kube.apply(documents[:1])
        code = code_map("strimzi-stand-in", "strimzi", E2E / "strimzi_stand_in")
        documents[-1]["spec"]["template"]["metadata"]["annotations"] = {"code": digest(code)}
        self._kube.apply([code, *documents])

    def _tester(self) -> None:
        self._kube.apply([archive("tester-code", NAMESPACE, TESTER)])
        self.restart_tester()

    def restart_tester(self) -> None:
        """Start the tester's pod again: nobody else does after a node was away."""
        self._kube(
            "delete",
            "pod",
            "tester",
            "--namespace",
            NAMESPACE,
            "--ignore-not-found",
            "--force",
            "--grace-period=0",
        )
        self._kube.apply(self._documents("tester.yaml"), NAMESPACE)
        self._kube("wait", "pod/tester", "--namespace", NAMESPACE, "--for=condition=Ready", "--timeout=300s")

    def _profiles(self) -> None:
        """Put a row for each user into the table, unless they are there."""
        sql(self._kube, _ROWS)


def documented_acls() -> list[Document]:
    """Return the rights of pods, controller, replays and erasures, as the pages of docs/how-to list them."""
    pages = ("prepare-kafka.md", "replay-on-kubernetes.md", "erase-users.md")
    text = "\n".join((REPOSITORY / "docs" / "how-to" / page).read_text() for page in pages)
    blocks = re.findall(r"^```yaml acls=\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [acl for block in blocks for acl in yaml.safe_load(block)]


def sql(kube: Kube, statement: str) -> str:
    """Run a statement as the database's superuser; return its rows, one a line."""
    command = ["psql", "-h", "localhost", "-U", "postgres", "-d", "shop", "-qAt", "-v", "ON_ERROR_STOP=1"]
    return kube("exec", "postgres-0", "--namespace", NAMESPACE, "--", *command, "-c", statement)


def secret(name: str, values: Mapping[str, str]) -> Document:
    """Return a Secret."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def code_map(name: str, namespace: str, folder: Path) -> Document:
    """Return a ConfigMap with the modules of a package."""
    data = {path.name: path.read_text() for path in sorted(folder.glob("*.py"))}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def archive(name: str, namespace: str, packages: Sequence[Path]) -> Document:
    """Return a ConfigMap with packages as one file, from which Python imports them as from a folder."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for package in packages:
            for path in sorted(package.rglob("*.py")):
                file.write(path, path.relative_to(package.parent))
    data = {"code.zip": base64.b64encode(packed.getvalue()).decode()}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "binaryData": data}


def digest(document: Document) -> str:
    """Return what changes when the document does."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def certificates(bootstrap: str, brokers: str) -> tuple[str, str]:
    """Return an authority's certificate, and a broker's key and certificates as one PEM file."""
    service, _, rest = bootstrap.partition(".")
    namespace = rest.removesuffix(".svc")
    names = [
        service,
        f"{service}.{namespace}",
        bootstrap,
        f"{bootstrap}.cluster.local",
        f"{brokers}.{namespace}.svc",
    ]
    with tempfile.TemporaryDirectory() as folder:

        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

        new = ["req", "-newkey", "rsa:2048", "-nodes", "-keyout"]
        openssl(*new, "ca.key", "-x509", "-days", "30", "-subj", "/CN=events-cluster-ca", "-out", "ca.crt")
        openssl(*new, "broker.key", "-subj", "/CN=events-kafka", "-out", "broker.csr")
        (Path(folder) / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
        sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names"]
        openssl("x509", "-req", "-in", "broker.csr", *sign, "-out", "broker.crt")
        read = {name: (Path(folder) / name).read_text() for name in ("ca.crt", "broker.key", "broker.crt")}
    return read["ca.crt"], read["broker.key"] + read["broker.crt"] + read["ca.crt"]
