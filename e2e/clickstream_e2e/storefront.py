"""The pipeline under test: examples/storefront.yaml, sized for one node, on Kafka by TLS and SCRAM."""

import copy
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import yaml

from clickstream_e2e.images import SOURCE
from clickstream_e2e.kube import Document, Kube, NotInTime, condition, eventually
from clickstream_e2e.platform import BROKERS, NAMESPACE, sql

PARTITIONS = 6
NAME = "storefront"
URL = f"http://{NAME}-query.{NAMESPACE}.svc"
_CONNECT = (
    "import socket, sys\n"
    "try:\n"
    "    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()\n"
    "    print('open')\n"
    "except OSError:\n"
    "    print('closed')\n"
)
PODS = f"clickstream.dev/pipeline={NAME},app.kubernetes.io/name=clickstream-processor"
SIZES: Mapping[str, Any] = {
    "kafka": {
        "bootstrapServers": "events-kafka-bootstrap:9093",
        "tls": {"caSecret": "events-cluster-ca-cert"},
        "authentication": {"type": "scram-sha-512", "user": NAME},
    },
    "topics": {"partitions": PARTITIONS, "replicas": BROKERS},
    "processors": {
        "replicas": 2,
        "storage": {"size": "1Gi"},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "768Mi"}},
    },
    "sink": {"search": {"engine": "elasticsearch"}},
}


def document(**changes: Any) -> Document:
    """Return the ClickPipeline, with further changes of its spec."""
    example: Document = yaml.safe_load((SOURCE / "examples" / "storefront.yaml").read_text())
    return example | {"spec": merged(merged(example["spec"], SIZES), changes)}


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Document:
    """Return `old` with `new` laid over it."""
    result: Document = copy.deepcopy(dict(old))
    for key, value in new.items():
        inner = result.get(key)
        result[key] = (
            merged(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
        )
    return result


class Storefront:
    """The pipeline in the cluster, and the tester beside it."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube

    def now(self) -> Document:
        """Return the ClickPipeline as it is."""
        return self.kube.get("clickpipeline", NAME, NAMESPACE)

    def patch(self, spec: Mapping[str, Any]) -> None:
        """Change fields of the spec, as `kubectl edit` would."""
        body = json.dumps({"spec": spec})
        self.kube("patch", "clickpipeline", NAME, "--namespace", NAMESPACE, "--type=merge", "--patch", body)

    def annotate(self, annotation: str) -> None:
        """Set an annotation (`name=value`) or take one off (`name-`)."""
        self.kube("annotate", "clickpipeline", NAME, "--namespace", NAMESPACE, "--overwrite", annotation)

    def condition(self, kind: str) -> Document:
        """Return a condition as it is now."""
        return condition(self.now(), kind)

    def until(self, kind: str, status: str, timeout_s: float = 600, reason: str = "") -> Document:
        """Wait until a condition has a status, for the present spec; return the condition."""

        def look() -> Document | None:
            pipeline = self.now()
            found = condition(pipeline, kind)
            current = (
                pipeline.get("status", {}).get("observedGeneration") == pipeline["metadata"]["generation"]
            )
            if current and found["status"] == status and reason in found["reason"]:
                return found
            raise NotInTime(json.dumps(pipeline.get("status", {}).get("conditions", []), indent=1))

        found = eventually(f"{kind} is {status} {reason}".strip(), look, timeout_s)
        assert found is not None
        return found

    def pods(self) -> list[Document]:
        """Return the processor pods."""
        return self.kube.items("pods", NAMESPACE, PODS)

    def until_pods(self, count: int, timeout_s: float = 600) -> None:
        """Wait until exactly so many pods run and are ready, and none is on its way out."""

        def look() -> bool:
            pods = self.pods()
            return len(pods) == count and all(
                condition(pod, "Ready")["status"] == "True" and not pod["metadata"].get("deletionTimestamp")
                for pod in pods
            )

        eventually(f"{count} processor pods are ready", look, timeout_s)

    def tester(self, *arguments: str, timeout_s: float = 300) -> Any:
        """Run a command of the tester inside the cluster; return what it reports."""
        command = ["python", "-m", "clickstream_tester", *arguments]
        text = self.kube("exec", "tester", "--namespace", NAMESPACE, "--", *command, timeout_s=timeout_s)
        return json.loads(text.splitlines()[-1])

    def reach(self, source: str, host: str, port: int) -> str:
        """Return whether a pod can connect to a port: open or closed."""
        command = ["exec", source, "--namespace", NAMESPACE, "--", "python", "-c", _CONNECT, host, str(port)]
        return self.kube(*command).strip()

    def send(self, user: str, count: int, *options: str) -> list[str]:
        """Send clicks of one user. Return where each lies, sorted; that is its event id."""
        sent = self.tester("send", user, str(count), *options)
        assert sent["sent"] == count, sent
        return list(sent["places"])

    def count(self, user: str, at_ms: int) -> int:
        """Return a user's clicks in the five minutes before a time."""
        url = f"{URL}/dashboard/users/{user}/metrics?at={at_ms}"
        return int(json.loads(self.tester("get", url)["answers"][0]["text"])["clicks_last_5min"])

    def metrics(self, user: str, times: int = 1, url: str = URL) -> list[Document]:
        """Ask for a user's metrics, each time on a new connection; return each answer."""
        path = f"{url}/dashboard/users/{user}/metrics"
        answers: list[Document] = self.tester("get", path, "--times", str(times))["answers"]
        for answer in answers:
            answer["body"] = json.loads(answer["text"]) if answer["text"].startswith("{") else {}
        return answers

    def search(self, query: str) -> int:
        """Return how many documents of the index match a query of the search engine's own."""
        url = f"http://search:9200/enriched-clicks-*/_count?q={query}"
        answer = self.tester("get", url)["answers"][0]
        return int(json.loads(answer["text"])["count"])

    def documents(self, query: str) -> list[Document]:
        """Return at most a hundred documents of the index that match, each with its `_id` and `_source`."""
        url = f"http://search:9200/enriched-clicks-*/_search?size=100&q={query}"
        answer = self.tester("get", url)["answers"][0]
        found: list[Document] = json.loads(answer["text"])["hits"]["hits"]
        return found

    def profiles(self) -> list[Document]:
        """Return the table's rows."""
        rows = sql(self.kube, "SELECT coalesce(json_agg(p), '[]') FROM public.user_profiles p")
        found: list[Document] = json.loads(rows)
        return found

    def check(self, timeout_s: float = 300) -> Document:
        """Compare all that ever came out with all that ever went in: nothing lost, nothing doubled."""
        text = json.dumps(self.profiles())
        write = [
            "exec",
            "-i",
            "tester",
            "--namespace",
            NAMESPACE,
            "--",
            "sh",
            "-c",
            "cat > /tmp/profiles.json",
        ]
        self.kube(*write, stdin=text)
        topics = {
            "clicks": "user-clicks",
            "enriched": "enriched-clicks",
            "metrics": "user-metrics",
            "dead": "dead-letters",
        }
        options = ["--partitions", str(PARTITIONS), "--profiles", "/tmp/profiles.json"]
        options += ["--topics", json.dumps(topics), "--timeout-s", str(timeout_s)]
        verdict: Document = self.tester("check", *options, timeout_s=timeout_s + 120)
        assert verdict["complete"], verdict
        return verdict

    def traffic(self, rate: float = 50) -> AbstractContextManager[dict[str, Any]]:
        """Clicks and queries for the length of the block; the account is in the yielded dict afterwards."""
        return self._meanwhile(f"traffic --url {URL} --rate {rate}")

    def collecting(self, url: str, key: str, user: str) -> AbstractContextManager[dict[str, Any]]:
        """One user's clicks over HTTP for the length of the block; the account as of `traffic`."""
        return self._meanwhile(f"collect --url {url} --key {key} --user {user}")

    @contextmanager
    def _meanwhile(self, command: str) -> Iterator[dict[str, Any]]:
        mark = f"/tmp/{time.monotonic_ns()}"
        command = f"python -m clickstream_tester {command} --stop {mark}.stop --report {mark}.json"
        command += f" > {mark}.log 2>&1 &"
        within = ["exec", "tester", "--namespace", NAMESPACE, "--"]
        self.kube(*within, "sh", "-c", command)
        report: dict[str, Any] = {}
        try:
            yield report
        finally:
            self.kube(*within, "touch", f"{mark}.stop")
            text = eventually("the traffic's account", lambda: self.kube(*within, "cat", f"{mark}.json"), 180)
            report |= json.loads(text)
