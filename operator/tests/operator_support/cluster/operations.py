"""ClickReplays and ClickErasures on a test's cluster, and their pods: a real Job controller makes these.

No kubelet runs them, so the test writes their statuses, as a kubelet would.
"""

import json
from typing import Any

from clickstream_local.testing.eventually import eventually

from operator_support.cluster.controlplane import ControlPlane
from operator_support.cluster.world import PIPELINES, World


class OperationOnCluster:
    """One operation of a namespace."""

    def __init__(self, world: World, namespace: str, name: str, kind: str, noun: str) -> None:
        self._world = world
        self._plane: ControlPlane = world.plane
        self.namespace, self.name, self._kind, self._noun = namespace, name, kind, noun
        self._all = f"{PIPELINES}/namespaces/{namespace}/{kind.lower()}s"
        self.path = f"{self._all}/{name}"
        self.job_path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}-{noun}"

    def make(self, spec: dict[str, Any]) -> None:
        """Create it with this spec."""
        document = {
            "apiVersion": "clickstream.dev/v1alpha1",
            "kind": self._kind,
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": spec,
        }
        self._plane.request("POST", f"{self._all}?fieldValidation=Strict", document)

    def delete(self) -> None:
        """Delete it."""
        self._plane.request("DELETE", self.path)

    def is_gone(self) -> bool:
        """Tell whether it is gone."""
        return self._plane.get(self.path) is None

    @property
    def status(self) -> dict[str, Any]:
        """Return its status."""
        return dict((self._plane.get(self.path) or {}).get("status", {}))

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition, {} when there is none."""
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def wait_for(self, kind: str, reason: str) -> dict[str, Any]:
        """Wait until a condition has this reason; fail with the status."""

        def found() -> dict[str, Any] | None:
            condition = self.condition(kind)
            return condition if condition.get("reason") == reason else None

        try:
            return dict(eventually(found, timeout_s=180))
        except AssertionError:
            raise AssertionError(f"{kind} is not {reason}: {json.dumps(self.status, indent=1)}") from None

    def job(self) -> Any:
        """Return its Job, None when there is none."""
        return self._plane.get(self.job_path)

    def pods(self) -> list[dict[str, Any]]:
        """Return the Job's pods."""
        selector = f"labelSelector=clickstream.dev/{self._noun}={self.name}"
        return self._plane.items(f"/api/v1/namespaces/{self.namespace}/pods?{selector}")

    def answers(self, report: Any) -> None:
        """Let the running pod answer with a report from here on, or with what a function returns."""
        self._world.standins.operations[self.namespace, self.name, self._noun] = report

    def run_pod(self) -> str:
        """Say of the Job's pod that it runs; return its name."""
        pod = eventually(lambda: next((p for p in self.pods() if _phase(p) == "Pending"), None), "a pod")
        name = str(pod["metadata"]["name"])
        self._write(name, {"phase": "Running", "podIP": "10.0.0.7"}, {"running": {}}, is_ready=True)
        return name

    def end_pod(self, name: str, word: Any, code: int = 0) -> None:
        """Say of a pod that it has ended with this exit code, and left this word."""
        text = word if isinstance(word, str) else json.dumps(word)
        ended = {
            "exitCode": code,
            "message": text,
            "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": "2026-01-01T00:01:00Z",
        }
        phase = {"phase": "Failed" if code else "Succeeded"}
        self._write(name, phase, {"terminated": ended}, is_ready=False)

    def make_pod_wait(self, reason: str, message: str) -> None:
        """Say of the Job's pod that its container cannot start."""
        pod = eventually(lambda: next(iter(self.pods()), None), "a pod")
        state = {"waiting": {"reason": reason, "message": message}}
        self._write(pod["metadata"]["name"], {"phase": "Pending"}, state, is_ready=False)

    def _write(self, name: str, status: dict[str, Any], state: dict[str, Any], *, is_ready: bool) -> None:
        container = {
            "name": self._noun,
            "image": "registry.test/processor:1",
            "imageID": "",
            "ready": is_ready,
            "restartCount": 0,
            "state": state,
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/status"
        condition = {"type": "Ready", "status": str(is_ready)}
        patch = {"status": {**status, "conditions": [condition], "containerStatuses": [container]}}
        self._plane.merge(path, patch)


class Replay(OperationOnCluster):
    """One ClickReplay."""

    def __init__(self, world: World, namespace: str, name: str = "fix") -> None:
        super().__init__(world, namespace, name, "ClickReplay", "replay")

    def create(self, **spec: Any) -> "Replay":
        """Create it, of the pipeline storefront unless said otherwise."""
        self.make({"pipeline": "storefront", **spec})
        return self


class Erasure(OperationOnCluster):
    """One ClickErasure."""

    def __init__(self, world: World, namespace: str, name: str = "gone") -> None:
        super().__init__(world, namespace, name, "ClickErasure", "erasure")

    def create(self, **spec: Any) -> "Erasure":
        """Create it, of alice123 in the pipeline storefront unless said otherwise."""
        users = {} if "usersSecret" in spec else {"users": ["alice123"]}
        self.make({"pipeline": "storefront", **users, **spec})
        return self


def _phase(pod: dict[str, Any]) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))
