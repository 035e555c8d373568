"""What a look saw of one operation, as one value, and what its Job and pods say. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from clickstream_operator.kube.kinds import Document
from clickstream_operator.observed import condition
from clickstream_operator.operations.operation import Operation, Progress, read_last_word

ObjectId = tuple[str, str]  # kind, name
_WAITS = ("ContainerCreating", "PodInitializing")  # which is the way of all pods


def _unchanged(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is."""

    now_s: float
    pipeline: Document | None = None
    others: Sequence[Document] = ()  # operations of the namespace; looked at before the start alone
    objects: Mapping[ObjectId, Document] = field(default_factory=dict)  # of the names that this one needs
    pods: Sequence[Document] = ()
    progress: Progress | None = None  # what the running pod answered
    redact: Callable[[str], str] = _unchanged

    def job(self, uid: str) -> Document | None:
        """Return the Job of the operation with this uid."""
        jobs = (each for (kind, _), each in self.objects.items() if kind == "Job")
        return next((job for job in jobs if is_owned(job, uid)), None)

    def taken(self, uid: str) -> list[str]:
        """Return those of the needed objects that are not this operation's."""
        return [f"{kind} {name}" for (kind, name), each in self.objects.items() if not is_owned(each, uid)]


def is_owned(document: Document, uid: str) -> bool:
    """Tell whether the resource with this uid owns an object."""
    return any(owner["uid"] == uid for owner in document["metadata"].get("ownerReferences", []))


def job_has(job: Document, kind: str) -> Document:
    """Return a condition of a Job if it is True, else {}."""
    found = condition(job, kind)
    return found if found.get("status") == "True" else {}


def newest(pods: Sequence[Document]) -> Document | None:
    """Return the pod that was made last."""
    return max(pods, key=_made, default=None)


def running(pods: Sequence[Document]) -> Document | None:
    """Return the pod that runs."""
    return newest([pod for pod in pods if pod.get("status", {}).get("phase") == "Running"])


def final_word(operation: Operation, pods: Sequence[Document]) -> tuple[Progress | None, str]:
    """Return the last word of the newest ended pod; if there is none, its last lines if they may be shown."""
    for pod in sorted(pods, key=_made, reverse=True):
        for container in pod.get("status", {}).get("containerStatuses", []):
            if (ended := container.get("state", {}).get("terminated")) is not None:
                text = str(ended.get("message") or "")
                word = read_last_word(operation, text)
                lines = text.strip()[-1000:] if operation.LAST_LINES else ""
                return word, "" if word else lines or str(ended.get("reason", ""))
    return None, ""


def why_waiting(pods: Sequence[Document]) -> str:
    """Return why the newest pod does not start; empty where nothing is wrong."""
    pod = newest(pods)
    if pod is None:
        return ""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"{scheduled.get('reason', '')}: {scheduled.get('message', '')}"
    for container in pod.get("status", {}).get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting and waiting.get("reason") not in _WAITS:
            return f"{waiting.get('reason', '')}: {waiting.get('message', '')}"
    return ""


def _made(pod: Document) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]
