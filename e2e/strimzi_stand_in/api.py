"""The Kubernetes API from inside a pod, as far as the stand-in needs it: plain JSON over HTTPS."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

Document = dict[str, Any]
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SERVER = "https://kubernetes.default.svc"
STRIMZI = "/apis/kafka.strimzi.io/v1"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
MANAGER = "strimzi-stand-in"


class Refused(Exception):
    """The API server said no; `code` is its status. The object is looked at again in the next round."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Api:
    """Requests with the pod's own account; the token is read again each time, since it is renewed."""

    def __init__(self) -> None:
        self._context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))

    def request(
        self, method: str, path: str, body: Any = None, content: str = "application/json"
    ) -> Document:
        """Return the answer's document. Raises Refused, or OSError when nobody answers."""
        headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": content}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(SERVER + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, context=self._context, timeout=20) as answer:
                document: Document = json.load(answer)
                return document
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")[:500]) from error

    def items(self, plural: str) -> list[Document]:
        """Return all objects of one of Strimzi's kinds."""
        found: list[Document] = self.request("GET", f"{STRIMZI}/{plural}")["items"]
        return found

    def apply(self, path: str, document: Document) -> Document:
        """Make an object so (server-side apply)."""
        return self.request("PATCH", f"{path}?fieldManager={MANAGER}&force=true", document, APPLY)

    def annotate(self, plural: str, document: Document, **changes: str | None) -> None:
        """Set annotations, or take them off where the value is None. Underscores stand for hyphens."""
        names = {f"strimzi.io/{name.replace('_', '-')}": value for name, value in changes.items()}
        self.request("PATCH", path_of(plural, document), {"metadata": {"annotations": names}}, MERGE)

    def write_status(self, plural: str, document: Document, status: Document) -> None:
        """Write a status, if it says something new: the time of a condition alone is nothing new."""
        if _timeless(document.get("status")) != _timeless(status):
            self.request("PATCH", f"{path_of(plural, document)}/status", {"status": status}, MERGE)


def path_of(plural: str, document: Document) -> str:
    """Return the path of an object of one of Strimzi's kinds."""
    meta = document["metadata"]
    return f"{STRIMZI}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"


def annotations_of(document: Document) -> dict[str, str]:
    """Return an object's annotations."""
    found: dict[str, str] = document["metadata"].get("annotations") or {}
    return found


def _timeless(status: Document | None) -> Document:
    status = status or {}
    conditions = [
        {k: v for k, v in condition.items() if k != "lastTransitionTime"}
        for condition in status.get("conditions", [])
    ]
    return status | {"conditions": conditions}
