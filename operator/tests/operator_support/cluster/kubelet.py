"""Stands in for the kubelet: runs the pods that the real StatefulSet controller makes, as real processes.

It reads pods, their ConfigMap and Secrets from the API server, starts a processor for each, says Ready as
/readyz does, stops it in order when the pod is deleted, and only then lets the pod go. What a cluster's
network would do it does by ports: pod i answers on `query_port + i` and `admin_port + i`.
"""

import base64
import contextlib
import json
import shutil
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickstream_local.machine.ports import HOST, free_row
from clickstream_local.machine.process import Process

from operator_support.cluster.answers import JsonHandler
from operator_support.cluster.controlplane import ControlPlane, Refused
from operator_support.cluster.standins import Server

ROUND_S = 0.2
ROOM = 5  # ordinals that have ports
_MERGE = "application/merge-patch+json"


@dataclass
class _Life:
    """One pod object's process."""

    ordinal: int
    process: Process | None  # None: its image cannot be pulled
    stopping: threading.Thread | None = None
    ended: dict[str, Any] = field(default_factory=dict)  # how its process ended last
    said: dict[str, Any] = field(default_factory=dict)  # the status written last


class Kubelet:
    """Runs the pods of one namespace until closed."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path, images: set[str]) -> None:
        """`images`: those that can be pulled; all of them are this checkout's processor."""
        self.plane, self.namespace, self.folder, self.images = plane, namespace, folder, images
        self.query_port, self.admin_port = free_row(ROOM), 0
        self.admin_port = free_row(ROOM)
        self.starts: list[str] = []  # names of pods in the order in which their processes were started
        self.strange: dict[str, dict[str, Any]] = {}  # image -> processing of the settings its pods read
        self._lives: dict[str, _Life] = {}  # by the pod's uid
        self._lost: dict[int, str] = {}  # ordinal -> uid of the claim whose volume went with its node
        self._end = threading.Event()
        self._server = Server((HOST, 0), _relay(self.admin_port))
        self.pod_url = f"http://{HOST}:{self._server.server_port}/{{ordinal}}"
        self._threads = [
            threading.Thread(target=self._run, name="kubelet", daemon=True),
            threading.Thread(target=self._server.serve_forever, daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop every process."""
        self._end.set()
        self._threads[0].join()
        self._server.shutdown()
        self._server.server_close()
        for life in self._lives.values():
            if life.process:
                life.process.kill()

    def running(self) -> list[int]:
        """Return the ordinals whose processes run."""
        lives = list(self._lives.values())
        return sorted(x.ordinal for x in lives if x.process and x.process.is_running() and not x.stopping)

    def pods(self) -> dict[int, dict[str, Any]]:
        """Return the pod objects by ordinal."""
        return {_ordinal(pod): pod for pod in self.plane.items(f"/api/v1/namespaces/{self.namespace}/pods")}

    def lose(self, ordinal: int) -> None:
        """Lose a pod's node with the volume on it, as when a machine burns and its Node is deleted."""
        pod = self.pods()[ordinal]
        self._lost[ordinal] = self._claim(pod)["metadata"]["uid"]
        process = self._lives[pod["metadata"]["uid"]].process
        assert process
        process.kill()
        self.plane.request("DELETE", self._path(pod), {"gracePeriodSeconds": 0})

    def settings_of(self, ordinal: int) -> dict[str, Any]:
        """Return the settings that a pod's process was started with."""
        pod = self.pods()[ordinal]
        return dict(json.loads((self._home(pod) / "settings.json").read_text()))

    def _run(self) -> None:
        while not self._end.wait(ROUND_S):
            with contextlib.suppress(Refused, OSError):  # changed or gone meanwhile: the next round sees
                self._round()

    def _round(self) -> None:
        found = {pod["metadata"]["uid"]: pod for pod in self.pods().values()}
        for uid in self._lives.keys() - found.keys():
            if process := self._lives.pop(uid).process:
                process.kill()
        for uid, pod in found.items():
            if uid not in self._lives:
                self._begin(pod)
            elif pod["metadata"].get("deletionTimestamp"):
                self._let_go(pod, self._lives[uid])
            else:
                self._say(pod, self._lives[uid])

    def _begin(self, pod: dict[str, Any]) -> None:
        ordinal, name = _ordinal(pod), pod["metadata"]["name"]
        container = pod["spec"]["containers"][0]
        if ordinal in self._lost and self._is_lost(pod, ordinal):
            return
        if not pod["spec"].get("nodeName"):  # unbound pods are deleted without asking a kubelet
            body = {
                "metadata": {"name": name, "uid": pod["metadata"]["uid"]},
                "target": {"kind": "Node", "name": "stand-in"},
            }
            self.plane.request("POST", f"{self._path(pod)}/binding", body)
        process = None
        if container["image"] in self.images:
            process = self._process(pod, ordinal)
            process.start()
            self.starts.append(name)
        self._lives[pod["metadata"]["uid"]] = _Life(ordinal, process)

    def _is_lost(self, pod: dict[str, Any], ordinal: int) -> bool:
        """Say of a pod what the scheduler would, until it has another claim: then its volume is empty."""
        if self._claim(pod)["metadata"]["uid"] != self._lost[ordinal]:
            shutil.rmtree(self.folder / f"volume-{ordinal}")
            del self._lost[ordinal]
            return False
        message = "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity."
        said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        if not pod["status"].get("conditions"):
            stamped = said | {"lastTransitionTime": pod["metadata"]["creationTimestamp"]}
            self._patch_status(pod, {"conditions": [stamped]})
        return True

    def _claim(self, pod: dict[str, Any]) -> dict[str, Any]:
        name = f"data-{pod['metadata']['name']}"
        path = f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims/{name}"
        return dict(self.plane.request("GET", path))

    def _process(self, pod: dict[str, Any], ordinal: int) -> Process:
        home = self._home(pod)
        settings, secrets = home / "settings.json", home / "secrets"
        home.mkdir(parents=True, exist_ok=True)  # an earlier round was refused further down
        (home / "termination-log").touch()
        for volume in pod["spec"]["volumes"]:
            if volume["name"] == "settings":
                settings.write_text(self._settings(volume["configMap"], pod))
            elif "secret" in volume:
                self._write_secret(secrets, volume["secret"]["secretName"])
        asked = {e["name"]: e["value"] for e in pod["spec"]["containers"][0]["env"]}
        own = {
            "CLICKSTREAM_SETTINGS": str(settings),
            "CLICKSTREAM_SECRETS_DIR": str(secrets),
            "CLICKSTREAM_DATA_DIR": str(self.folder / f"volume-{ordinal}"),
            "CLICKSTREAM_ORDINAL": str(ordinal),
            "CLICKSTREAM_HOST": HOST,
            "CLICKSTREAM_QUERY_PORT": str(self.query_port + ordinal),
            "CLICKSTREAM_ADMIN_PORT": str(self.admin_port + ordinal),
            "CLICKSTREAM_LOG_FORMAT": "text",
            "CLICKSTREAM_TERMINATION_LOG": str(home / "termination-log"),
        }
        return Process(
            pod["metadata"]["name"],
            [sys.executable, "-m", "clickstream_processor"],
            log=home / "log",
            environment=asked | own,
            stop_timeout_s=pod["spec"]["terminationGracePeriodSeconds"],
        )

    def _settings(self, source: dict[str, Any], pod: dict[str, Any]) -> str:
        """Return the settings that the pod mounts, its peers at their ports here."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{source['name']}"
        document = json.loads(self.plane.request("GET", path)["data"][source["items"][0]["key"]])
        document["processing"] |= self.strange.get(pod["spec"]["containers"][0]["image"], {})
        document["peers"] = {"host": HOST, "port": self.admin_port, "portStep": 1}
        return json.dumps(document)

    def _write_secret(self, folder: Path, name: str) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/secrets/{name}"
        data = self.plane.request("GET", path)["data"]
        (folder / name).mkdir(parents=True, exist_ok=True)
        for key, value in data.items():
            (folder / name / key).write_bytes(base64.b64decode(value))

    def _let_go(self, pod: dict[str, Any], life: _Life) -> None:
        """Stop the process in order, without holding up the others, then the pod may go."""
        if life.process and life.stopping is None:
            life.stopping = threading.Thread(target=life.process.stop, daemon=True)
            life.stopping.start()
        if life.stopping is None or not life.stopping.is_alive():
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
            self.plane.request("DELETE", self._path(pod), options)

    def _say(self, pod: dict[str, Any], life: _Life) -> None:
        status = self._status(pod, life)
        if status != life.said:
            self._patch_status(pod, status)
            life.said = status

    def _patch_status(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        """Write a pod's status, and not that of the pod that has taken its name meanwhile."""
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        self.plane.request("PATCH", f"{self._path(pod)}/status", body, _MERGE)

    def _status(self, pod: dict[str, Any], life: _Life) -> dict[str, Any]:
        image, name = pod["spec"]["containers"][0]["image"], pod["spec"]["containers"][0]["name"]
        ready, state = False, {"waiting": {"reason": "ErrImagePull", "message": f"{image}: not found"}}
        if life.process:
            if not life.process.is_running():
                life.ended = {
                    "exitCode": life.process.exit_status,
                    "message": (self._home(pod) / "termination-log").read_text(),
                }
                life.process.start()  # as a restart policy of Always
            ready, state = self._is_ready(life.ordinal), {"running": {}}
        return {
            "phase": "Running" if life.process else "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {
                    "name": name,
                    "image": image,
                    "imageID": "",
                    "ready": ready,
                    "restartCount": 0,
                    "state": state,
                    "lastState": {"terminated": life.ended} if life.ended else {},
                }
            ],
        }

    def _is_ready(self, ordinal: int) -> bool:
        try:
            url = f"http://{HOST}:{self.admin_port + ordinal}/readyz"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _home(self, pod: dict[str, Any]) -> Path:
        return self.folder / f"{pod['metadata']['name']}-{pod['metadata']['uid'][:6]}"

    def _path(self, pod: dict[str, Any]) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"


def _ordinal(pod: dict[str, Any]) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])


def _relay(admin_port: int) -> type[JsonHandler]:
    """Return a handler that passes /ORDINAL/status on: the way from the operator to a pod's name."""

    class Handler(JsonHandler):
        def do_GET(self) -> None:  # noqa: N802 (named by http.server)
            _, ordinal, rest = self.path.split("/", 2)
            url = f"http://{HOST}:{admin_port + int(ordinal)}/{rest}"
            asked = urllib.request.Request(url, headers={"Authorization": self.headers["Authorization"]})
            try:
                with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
                    code, body = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                code, body = error.code, b""
            except OSError:
                code, body = 502, b""
            with contextlib.suppress(OSError):  # the asker was killed
                self.answer(code, body)

    return Handler
