"""A real Kubernetes control plane for tests: etcd, kube-apiserver and, where asked, its controllers.

No kubelet: nothing runs pods. Ports are free ones, data lies in a folder of its own, and every
process this module started is stopped by its id.
"""

import base64
import contextlib
import json
import os
import secrets
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from clickstream_local.machine.ports import free_port
from clickstream_local.testing.eventually import NotYet, eventually

from operator_support import REPOSITORY

ADMIN, OPERATOR, AUTHOR = "admin", "operator", "author"
STATEFULSETS = "statefulset-controller,persistentvolumeclaim-protection-controller"
APPLY = "application/apply-patch+yaml"
ANSWER_S = 180.0  # of a server on a busy machine
_AUDIT_POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, verbs: [get, list, watch]}
  - {level: Metadata}
"""


def programs() -> Path:
    """Return the folder of the control plane's programs, built first where they are not."""
    script = REPOSITORY / "operator/cluster/build.sh"
    done = subprocess.run([str(script)], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


class Refused(NotYet):
    """The API server said no."""

    def __init__(self, code: int, body: str) -> None:
        self.code, self.body = code, body
        super().__init__(f"{code}: {body}")

    @property
    def message(self) -> str:
        """Return the server's own words."""
        try:
            return str(json.loads(self.body)["message"])
        except (ValueError, KeyError):
            return self.body


class ControlPlane:
    """One cluster in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = programs()
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.tokens = {user: secrets.token_hex(16) for user in (ADMIN, OPERATOR, AUTHOR)}
        self.audit_log = folder / "audit.log"
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._tls: ssl.SSLContext | None = None

    def start(self, controllers: bool = False, more: str = "") -> None:
        """Start the processes and wait until the server is ready. `more`: further controllers, by name."""
        self._lay_out()
        etcd = f"http://127.0.0.1:{free_port()}"
        self._start_etcd(etcd)
        self._start_server(etcd)
        if controllers:
            self._start_controllers(more)

    def stop(self) -> None:
        """Stop what was started, the last first."""
        for _, process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def kubeconfig(self, user: str = ADMIN, server: str | None = None, namespace: str = "default") -> Path:
        """Write a kubeconfig for a user, at another address where one is given, and return its path."""
        path = self.folder / f"{user}-{secrets.token_hex(4)}.kubeconfig"
        trust = {"certificate-authority-data": base64.b64encode(self._certificate.read_bytes()).decode()}
        cluster = {
            "server": server or self.url,
            **(trust if not server or server.startswith("https") else {}),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [
                {"name": "test", "context": {"cluster": "test", "user": user, "namespace": namespace}}
            ],
            "current-context": "test",
        }
        path.write_text(json.dumps(document))
        return path

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        user: str = ADMIN,
    ) -> Any:
        """Return the server's answer. Raises Refused."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)  # noqa: S310
        request.add_header("Authorization", f"Bearer {self.tokens[user]}")
        request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, context=self._trust(), timeout=ANSWER_S) as answer:  # noqa: S310
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode()) from error
        return json.loads(text) if text[:1] in "{[" and text else text

    def get(self, path: str) -> Any:
        """Return the object at a path, None when there is none."""
        try:
            return self.request("GET", path)
        except Refused as error:
            if error.code == 404:
                return None
            raise

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return a list's items."""
        return list(self.request("GET", path)["items"])

    def apply(self, path: str, document: dict[str, Any], user: str = ADMIN) -> Any:
        """Server-side apply an object as a person with kubectl would."""
        query = "fieldManager=kubectl&force=true&fieldValidation=Strict"
        return self.request("PATCH", f"{path}?{query}", document, APPLY, user)

    def merge(self, path: str, patch: dict[str, Any]) -> Any:
        """Merge a patch into an object."""
        return self.request("PATCH", path, patch, "application/merge-patch+json")

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl as administrator and return what it prints."""
        command = [str(self.bin / "kubectl"), "--kubeconfig", str(self.kubeconfig()), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(done.returncode, done.stderr)
        return done.stdout

    def writes(self, user: str = OPERATOR) -> list[dict[str, Any]]:
        """Return the audit log's entries of writes by a user."""
        whole = self.audit_log.read_text().rpartition("\n")[0]  # the last line may be half written
        entries = (json.loads(line) for line in whole.splitlines())
        return [entry for entry in entries if entry["user"]["username"] == user]

    def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=str(self._certificate))
        return self._tls

    @property
    def _certificate(self) -> Path:
        return self.folder / "pki/apiserver.crt"

    def _lay_out(self) -> None:
        (self.folder / "pki").mkdir(parents=True, exist_ok=True)
        groups = {ADMIN: "system:masters", OPERATOR: "operators", AUTHOR: "system:masters"}
        rows = [f"{self.tokens[user]},{user},{user},{groups[user]}" for user in self.tokens]
        (self.folder / "tokens.csv").write_text("\n".join(rows) + "\n")
        (self.folder / "audit-policy.yaml").write_text(_AUDIT_POLICY)
        key = str(self.folder / "pki/accounts.key")
        command = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

    def _start_etcd(self, url: str) -> None:
        peer = f"http://127.0.0.1:{free_port()}"
        self._spawn(
            "etcd",
            *("--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync", "--log-level", "warn"),
            *("--listen-client-urls", url, "--advertise-client-urls", url),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
        )

    def _start_server(self, etcd: str) -> None:
        accounts = str(self.folder / "pki/accounts.key")
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            *("--bind-address=127.0.0.1", f"--secure-port={self.port}", "--advertise-address=127.0.0.1"),
            *(f"--cert-dir={self.folder / 'pki'}", f"--token-auth-file={self.folder / 'tokens.csv'}"),
            *("--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC"),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            *(f"--service-account-key-file={accounts}", f"--service-account-signing-key-file={accounts}"),
            # No controller fills in the namespaces' default accounts, and no pod runs.
            "--disable-admission-plugins=ServiceAccount",
            *(
                f"--audit-policy-file={self.folder / 'audit-policy.yaml'}",
                f"--audit-log-path={self.audit_log}",
            ),
            "--watch-cache=true",
        )
        eventually(lambda: self.request("GET", "/readyz") == "ok", "the API server is ready")

    def _start_controllers(self, more: str) -> None:
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig()}",
            *("--bind-address=127.0.0.1", f"--secure-port={free_port()}", "--leader-elect=false"),
            f"--controllers=garbage-collector-controller,namespace-controller{more and ','}{more}",
        )

    def _spawn(self, program: str, *arguments: str) -> None:
        log: IO[bytes] = (self.folder / f"{program}.log").open("ab")
        with log:
            process = subprocess.Popen(
                [str(self.bin / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "GOMAXPROCS": "2"},
                preexec_fn=die_with_parent,
            )
        self._processes.append((program, process))


@contextlib.contextmanager
def running(folder: Path, controllers: bool = False, more: str = "") -> Iterator[ControlPlane]:
    """Run a control plane for the time of a block."""
    plane = ControlPlane(folder)
    try:
        plane.start(controllers, more)
        yield plane
    finally:
        plane.stop()


def die_with_parent() -> None:
    """Let the kernel stop the child when the test process is killed. PR_SET_PDEATHSIG is 1."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
