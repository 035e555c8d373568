"""What a pod says at its end reaches the condition, bounded and without secrets."""

from typing import Any

from clickstream_operator.status.pod_conditions import SETTINGS_REFUSED, processors_ready
from operator_support.storefront_seen import PIPELINE, observed

WORD = "wrong settings: processing.filter: line 1, column 7: no such attribute; the password is hunter2"


def pod(code: int, *, ready: bool = False, current: bool = False) -> dict[str, Any]:
    ended = {"terminated": {"exitCode": code, "message": WORD}}
    loop = {"waiting": {"reason": "CrashLoopBackOff"}}
    container = {"name": "processor", "state": ended if current else loop, "lastState": ended}
    return {
        "metadata": {"annotations": {}},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [container],
        },
    }


def test_pod_that_cannot_take_its_settings_is_said_with_its_own_words() -> None:
    for current in (False, True):
        seen = observed(
            pod_objects={1: pod(SETTINGS_REFUSED, current=current)},
            redact=lambda text: text.replace("hunter2", "***"),
        )
        found = processors_ready(PIPELINE, seen)
        assert (found.reason, found.is_fatal) == ("SettingsRefused", True)
        assert "Pod 1 cannot take its settings: wrong settings: processing.filter" in found.message
        assert "hunter2" not in found.message


def test_other_ends_and_pods_that_are_ready_again_are_not() -> None:
    for seen in (pod(1), pod(SETTINGS_REFUSED, ready=True)):
        assert processors_ready(PIPELINE, observed(pod_objects={0: seen})).reason != "SettingsRefused"


def test_long_words_are_cut() -> None:
    long = pod(SETTINGS_REFUSED)
    long["status"]["containerStatuses"][0]["lastState"]["terminated"]["message"] = "x" * 4096
    assert len(processors_ready(PIPELINE, observed(pod_objects={0: long})).message) < 2000
