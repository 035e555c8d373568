"""Profiles that change while the pipeline runs, and the knowledge of which click meets which version."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clickstream_local.errors import DeadlinePassed
from clickstream_local.load.profiles import Profile, make_profile
from clickstream_local.machine.web import request
from clickstream_local.parts.pods import Pods
from clickstream_local.pipeline.reading import end_offsets
from clickstream_local.pipeline.stack import Stack
from clickstream_local.smoke.checks import Check
from clickstream_local.smoke.drain import wait_until_drained

EACH = 20  # rows inserted, changed, deleted
VISIBLE_TIMEOUT_S = 120.0  # of a machine that is overloaded; an idle one takes 0.1 s


@dataclass(frozen=True, slots=True)
class _Version:
    profile: Profile | None
    since: dict[int, int]  # partition -> first offset of a click that meets it


class ProfileHistory:
    """Every profile the table held, and from which click on."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._versions = {profile.user_id: [_Version(profile, {})] for profile in profiles}

    def change(self, user: str, profile: Profile | None, since: dict[int, int]) -> None:
        """Note that clicks from the offsets `since` on meet this profile (None: deleted)."""
        self._versions.setdefault(user, [_Version(None, {})]).append(_Version(profile, since))

    def profile_at(self, user: str, partition: int, offset: int) -> Profile | None:
        """Return the profile that a click met."""
        met = None
        for version in self._versions.get(user, []):
            if offset >= version.since.get(partition, 0):
                met = version.profile
        return met

    def now(self, user: str) -> Profile | None:
        """Return the profile as it stands in the table."""
        versions = self._versions.get(user)
        return versions[-1].profile if versions else None

    def users(self) -> list[str]:
        """Return every user who ever had a profile."""
        return list(self._versions)


def change_profiles(stack: Stack, history: ProfileHistory) -> tuple[list[str], Check]:
    """Insert, change and delete rows, and wait until every pod tells so.

    Returns the users and a check. All clicks are processed before, so that none of them meets a new version.
    """
    wait_until_drained(stack)
    known = history.users()
    wanted: dict[str, Profile | None] = {}
    for number in range(EACH):
        wanted[known[number]] = _moved(history.now(known[number]))
        new = make_profile(stack.options.profiles + number)
        wanted[new.user_id] = new
        wanted[known[100 + number]] = None
    for user, profile in wanted.items():
        if profile is None:
            stack.table.delete(user)
        else:
            stack.table.put(profile)
    took_s = _wait_until_told(stack.pods, wanted)
    since = end_offsets(stack.kafka.bootstrap, stack.pipeline.spec.topics.clicks)
    for user, profile in wanted.items():
        history.change(user, profile, since)
    text = f"{EACH} each, told by every pod after {took_s * 1000:.0f} ms"
    return list(wanted), Check("profiles inserted, changed, deleted", text, held=True)


def _moved(profile: Profile | None) -> Profile:
    if profile is None:
        raise DeadlinePassed("a profile that should be there is gone")
    return replace(profile, country="Iceland", plan_tier="premium" if profile.plan_tier == "free" else "free")


def _wait_until_told(pods: Pods, wanted: dict[str, Profile | None]) -> float:
    """Return the seconds until every pod tells every change. Raises DeadlinePassed."""
    began = time.monotonic()
    for pod in pods.pods:
        for user, profile in wanted.items():
            while not _tells(pod.url, user, profile):
                if time.monotonic() - began > VISIBLE_TIMEOUT_S:
                    raise DeadlinePassed(
                        f"after {VISIBLE_TIMEOUT_S:.0f} s pod {pod.ordinal} does not tell {user} as {profile}"
                    )
                time.sleep(0.02)
    return time.monotonic() - began


def _tells(url: str, user: str, profile: Profile | None) -> bool:
    answer = request("GET", f"{url}/dashboard/users/{user}/metrics")
    if profile is None:  # without a profile a user is unknown, or has no name while clicks are still counted
        return answer.status == 404 or (answer.ok and answer.json()["user_name"] is None)
    return (
        answer.ok
        and answer.json().items() >= {"country": profile.country, "plan_tier": profile.plan_tier}.items()
    )
