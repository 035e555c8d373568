"""kubectl and helm against the cluster of the suite, and waiting for what must come true."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

import yaml

Document = dict[str, Any]
T = TypeVar("T")


class KindCluster(Protocol):
    """What pytest-kind's fixture gives, as far as it is used here."""

    kubeconfig_path: Any
    kubectl_path: Any

    def load_docker_image(self, docker_image: str) -> None:
        """Put an image of this machine's docker where the nodes find it."""


class Failed(Exception):
    """A command failed. The text is the command and what it said."""


class NotInTime(AssertionError):
    """A condition did not come true before its deadline. The text says what was seen last."""


def eventually(what: str, look: Callable[[], T], timeout_s: float = 300.0, every_s: float = 0.5) -> T:
    """Return the first true value of `look`; a failing look is not true. Raises NotInTime."""
    deadline_s = time.monotonic() + timeout_s
    last: object = None
    while True:
        try:
            last = look()
            if last:
                return last
        except (Failed, AssertionError, KeyError, ValueError) as failure:
            last = failure
        if time.monotonic() > deadline_s:
            raise NotInTime(f"not within {timeout_s:.0f} s: {what}; last seen: {str(last)[:3000]}")
        time.sleep(every_s)


class Kube:
    """One cluster, through the programs that a user has."""

    def __init__(self, cluster: KindCluster) -> None:
        self.kubeconfig = str(cluster.kubeconfig_path)
        self._kubectl = str(cluster.kubectl_path)

    def __call__(self, *arguments: str, stdin: str | None = None, timeout_s: float = 180) -> str:
        """Run kubectl and return its output. Raises Failed."""
        return self._run([self._kubectl, *arguments], stdin, timeout_s)

    def helm(self, *arguments: str, timeout_s: float = 300) -> str:
        """Run helm and return its output. Raises Failed."""
        return self._run(["helm", *arguments], None, timeout_s)

    def _run(self, command: list[str], stdin: str | None, timeout_s: float) -> str:
        environment = {**os.environ, "KUBECONFIG": self.kubeconfig}
        try:
            done = subprocess.run(
                command,
                env=environment,
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{' '.join(command)}: no answer within {timeout_s:.0f} s") from late
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout

    def apply(self, documents: Iterable[Document], namespace: str | None = None) -> None:
        """Apply documents, server-side."""
        text = yaml.safe_dump_all(list(documents))
        place = ["--namespace", namespace] if namespace else []
        self("apply", "--server-side", "--force-conflicts", *place, "--filename", "-", stdin=text)

    def get(self, kind: str, name: str, namespace: str) -> Document:
        """Return an object. Raises Failed when there is none."""
        found: Document = json.loads(self("get", kind, name, "--namespace", namespace, "--output", "json"))
        return found

    def items(self, kind: str, namespace: str, selector: str = "") -> list[Document]:
        """Return all objects of a kind."""
        chosen = ["--selector", selector] if selector else []
        text = self("get", kind, "--namespace", namespace, "--output", "json", *chosen)
        found: list[Document] = json.loads(text)["items"]
        return found

    def names(self, kind: str, namespace: str, selector: str = "") -> set[str]:
        """Return the names of all objects of a kind."""
        return {item["metadata"]["name"] for item in self.items(kind, namespace, selector)}

    def is_gone(self, kind: str, name: str, namespace: str) -> bool:
        """Tell whether there is no such object."""
        return not self(
            "get", kind, name, "--namespace", namespace, "--ignore-not-found", "--output", "name"
        ).strip()

    def rolled_out(self, what: str, namespace: str, timeout_s: int = 600) -> None:
        """Wait until all pods of a workload are there, new and ready. Raises Failed."""
        options = ["--namespace", namespace, f"--timeout={timeout_s}s"]
        self("rollout", "status", what, *options, timeout_s=timeout_s + 10)


def condition(document: Document, kind: str) -> Document:
    """Return a condition, with an empty status when there is none."""
    found = [c for c in document.get("status", {}).get("conditions", []) if c["type"] == kind]
    return found[0] if found else {"type": kind, "status": "", "reason": "", "message": ""}
