"""The query interface against the model: any pod, any user, the contract's JSON and the right count."""

from collections.abc import Sequence

from clickstream_operator.spec.fields import duration_ms

from clickstream_local.load.profiles import ALICE
from clickstream_local.machine.web import request
from clickstream_local.pipeline.stack import Stack
from clickstream_local.smoke.changes import ProfileHistory
from clickstream_local.smoke.checks import Check
from clickstream_local.smoke.model import Expected

MOST_ACTIVE = 150
OTHERS = 50


def check_queries(stack: Stack, expected: Expected, history: ProfileHistory, at_ms: int) -> Check:
    """Ask every pod for many users at one moment and compare whole answers.

    A user whose profile was deleted has no name, and is unknown once the last click is out of reach.
    """
    window_ms = duration_ms(stack.pipeline.spec.processing.window.size)
    users = _chosen(expected, history)
    wrong: list[str] = []
    for pod in stack.pods.pods:
        for user in users:
            answer = request("GET", f"{pod.url}/dashboard/users/{user}/metrics?at={at_ms}")
            profile = history.now(user)
            clicks = expected.rolling(user, at_ms, window_ms)
            want = {
                "user_id": user,
                "user_name": profile.name if profile else None,
                "clicks_last_5min": clicks,
                "country": profile.country if profile else None,
                "plan_tier": profile.plan_tier if profile else None,
            }
            unknown = answer.status == 404 and profile is None and clicks == 0
            if not unknown and not (answer.ok and answer.json() == want):
                wrong.append(f"pod {pod.ordinal}: {answer.status} {answer.body.decode()}, not {want}")
    text = f"{len(users)} users, {len(stack.pods.pods)} pods" + (
        f"; {len(wrong)} wrong: {wrong[0]}" if wrong else ""
    )
    return Check("answers of any pod for any user, with counts", text, not wrong)


def check_shape(stack: Stack) -> Check:
    """Without parameters the answer has the five fields of the contract, in their order, and no more."""
    names = ["user_id", "user_name", "clicks_last_5min", "country", "plan_tier"]
    answers = [request("GET", f"{pod.url}/dashboard/users/{ALICE}/metrics") for pod in stack.pods.pods]
    unknown = [
        request("GET", f"{pod.url}/dashboard/users/nobody-of-that-name/metrics") for pod in stack.pods.pods
    ]
    held = all(a.ok and list(a.json()) == names for a in answers) and all(a.status == 404 for a in unknown)
    return Check("the contract's JSON; 404 for unknown users", answers[0].body.decode(), held)


def _chosen(expected: Expected, history: ProfileHistory) -> Sequence[str]:
    """Return the most active users, and some of all the others with the deleted and the new."""
    active = sorted(expected.seconds, key=lambda user: -expected.seconds[user].total())[:MOST_ACTIVE]
    return list(dict.fromkeys([*active, *history.users()[100 : 100 + OTHERS], *history.users()[-OTHERS:]]))
