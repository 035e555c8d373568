"""The same random events through Kafka Streams and through the line: every record of output compared.

This is the count of users; metrics and sessions are in differential_metrics.py and differential_sessions.py.
`make oracle` compares for as many rounds as it is told; oracle/test_differential.py runs one round. Where the
two differ on purpose, docs/reference/semantics.md says why; here `expected` does.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

from clickstream_processor.topology.plan import Plan

from processor_support.lines.line_driver import CLICKS, PROFILES, Event, Output, Task, run
from processor_support.oracles import differential_metrics, differential_sessions
from processor_support.oracles.comparison import Comparison
from processor_support.oracles.kafka_streams_oracle import outputs_of

START_MS = 1_690_000_000_000
USERS = 400
COUNTRIES = ["DE", "USA", "Côte d'Ivoire", "日本", 'say "hi"\\', "\U0001f600", ""]
PAGES = ["/", "/products/1", "/search?q=a&b=c", "/ünï", "/tab\there", '/quote"s']
ACTIONS = ["view", "view", "view", "buy", "heartbeat"]

_INNER = Plan("clicks", 1, 10_000, None, 0, 20_000, "updates", "inner", max_future_ms=10**15)
_LEFT = replace(_INNER, join="left")

# Half of the 16 combinations of join, window, emission and grace: every three of them meet in every way.
PLANS = (
    _INNER,
    replace(_INNER, advance_ms=5_000, emit="final"),
    replace(_INNER, size_ms=9_999, grace_ms=7_000, emit="final"),
    replace(_LEFT, advance_ms=5_000, grace_ms=7_000, emit="final"),
    replace(_INNER, advance_ms=3_000, grace_ms=7_000),
    replace(_LEFT, emit="final"),
    replace(_LEFT, advance_ms=5_000),
    replace(_LEFT, grace_ms=60_000),
)


def name(plan: Plan) -> str:
    window = "tumbling" if plan.tumbling else f"hopping-{plan.advance_ms}"
    return f"{plan.join}-{window}-{plan.size_ms}-{plan.emit}-grace-{plan.grace_ms}"


def random_events(number: int, random_: random.Random, start_ms: int = START_MS) -> list[Event]:
    """Return clicks and profile changes with everything that is hard about them."""
    events: list[Event] = []
    users = [f"user-{n}" for n in range(USERS)] + ["żółw", "a b"]
    now_ms = start_ms
    pace = 20.0
    for _ in range(number):
        if random_.random() < 0.001:
            pace = random_.choice([0.5, 20.0, 20.0, 300.0, 5_000.0])
        now_ms += int(random_.expovariate(1 / pace))
        user = users[min(int(random_.paretovariate(0.6)) - 1, len(users) - 1)]
        events.append(
            _profile(user, now_ms, random_) if random_.random() < 0.12 else _click(user, now_ms, random_)
        )
    return events


def _profile(user: str, now_ms: int, random_: random.Random) -> Event:
    key: str | None = user if random_.random() < 0.98 else None
    if random_.random() < 0.3:
        return Event(PROFILES, key, None, now_ms)
    profile: dict[str, Any] = {"user_id": user, "name": random_.choice(["Ann", "Bo", None])}
    if random_.random() < 0.8:
        profile |= {
            "country": random_.choice(COUNTRIES),
            "plan_tier": random_.choice(["free", "premium", None]),
        }
    if random_.random() < 0.1:
        profile["another"] = {"column": [1, 2]}
    return Event(PROFILES, key, json.dumps(profile, ensure_ascii=False), now_ms)


def _click(user: str, now_ms: int, random_: random.Random) -> Event:
    event_ms = max(0, now_ms - _delay_ms(random_))
    if random_.random() < 0.1:  # on a boundary, or next to it
        event_ms = max(0, event_ms - event_ms % 5_000 + random_.choice([-1, 0, 1]))
    choice = random_.random()
    key = user if choice > 0.01 else None
    if 0.01 < choice < 0.015:
        return Event(CLICKS, key, None, event_ms)
    if 0.015 < choice < 0.02:
        return Event(CLICKS, key, random_.choice(["{", "", "click", '{"user_id":"a"']), event_ms)
    click: dict[str, Any] = {
        "user_id": user,
        "page_url": random_.choice(PAGES),
        "action": random_.choice(ACTIONS),
    }
    click["timestamp"] = event_ms
    if random_.random() < 0.05:
        click["referrer"] = "/elsewhere"
    # It was recorded when it came: then or later, so that no event time leads (ADR 0051).
    return Event(CLICKS, key, json.dumps(click, ensure_ascii=False), max(now_ms, event_ms))


def _delay_ms(random_: random.Random) -> int:
    """Return how late a click is: mostly a little, sometimes beyond every grace."""
    choice = random_.random()
    if choice < 0.6:
        return 0
    if choice < 0.9:
        return int(random_.expovariate(1 / 2_000))
    return int(random_.expovariate(1 / 20_000))


def compare(
    plan: Plan, events: Sequence[Event], theirs: Sequence[Output], random_: random.Random
) -> Comparison:
    """Run the line over the events, commits and crashes at random places, and compare."""
    task = Task(plan, cached_users=random_.choice([1, 50, 100_000]))
    commits = run(task, events, random_)
    letters = [output.reason for output in task.outputs if output.topic == "dead-letters"]
    figures = {
        "enriched": sum(output.topic == "enriched" for output in task.outputs),
        "metrics": sum(output.topic == "metrics" for output in task.outputs),
        "commits": len(commits),
        "dead_letters": {reason: letters.count(reason) for reason in sorted(set(letters))},
        "chunks_kept": task.committed.chunks(),
    }
    return Comparison(name(plan), differences(theirs, task.outputs, commits), figures)


def expected(outputs: Sequence[Output]) -> list[Output]:
    """Return Kafka Streams' outputs without those that we leave out on purpose.

    A left join gives a click without a key an enriched record there (KIP-962). Here it is dead-lettered:
    without a key it has no partition of its own, and no profile.
    """
    return [output for output in outputs if output.key is not None]


def differences(theirs: Sequence[Output], ours: Sequence[Output], commits: Sequence[int]) -> list[str]:
    """Return where the two differ; ``commits`` are the numbers of events that our commits covered."""
    return _enriched_differences(theirs, ours) + _metrics_differences(theirs, ours, commits)


def _enriched_differences(theirs: Sequence[Output], ours: Sequence[Output]) -> list[str]:
    """Enriched clicks: the same records in the same order, fields in the same order."""
    there = [_enriched(o) for o in expected(theirs) if o.topic == "enriched"]
    here = [_enriched(o) for o in ours if o.topic == "enriched"]
    if there == here:
        return []
    at = next(
        (n for n, (a, b) in enumerate(zip(there, here, strict=False)) if a != b), min(len(there), len(here))
    )
    return [
        f"enriched: {len(there)} by Kafka Streams, {len(here)} here; first difference at {at}: "
        f"{there[at : at + 1]} there, {here[at : at + 1]} here"
    ]


def _metrics_differences(
    theirs: Sequence[Output], ours: Sequence[Output], commits: Sequence[int]
) -> list[str]:
    """Counts: for each commit the same last value of each user and window, each at most once here."""
    there = [o for o in expected(theirs) if o.topic == "metrics"]
    here = [o for o in ours if o.topic == "metrics"]
    found = []
    at = begin = 0
    for commit in commits:
        last: dict[Any, tuple[str | None, int]] = {}
        while at < len(there) and there[at].after < commit:
            last[_window(there[at])] = there[at].value, there[at].timestamp
            at += 1
        mine: dict[Any, tuple[str | None, int]] = {}
        while begin < len(here) and here[begin].after == commit - 1:
            if _window(here[begin]) in mine:
                found.append(f"metrics: twice in the commit after {commit - 1}: {here[begin]}")
            mine[_window(here[begin])] = here[begin].value, here[begin].timestamp
            begin += 1
        if last != mine:
            wrong = {key for key in last.keys() | mine.keys() if last.get(key) != mine.get(key)}
            first = min(wrong)
            found.append(
                f"metrics: {len(wrong)} windows differ in the commit after {commit - 1}; {first}: "
                f"{last.get(first)} there, {mine.get(first)} here"
            )
    return found


def _enriched(output: Output) -> tuple[str | None, Any, int]:
    """Return key, fields and time; the JSON is read, for Jackson escapes what lies beyond 16 bits."""
    return output.key, json.loads(output.value or "", object_pairs_hook=tuple), output.timestamp


def _window(output: Output) -> tuple[str, int]:
    value = json.loads(output.value or "")
    return value["user_id"], value["window_start"]


def compare_all(cases: Sequence[Plan], events: int, seed: int) -> list[Comparison]:
    """Compare each case on its own random events; everything follows from the seed."""
    start_ms = random.Random(seed).choice([0, 7_000, START_MS])
    inputs = [
        random_events(events, random.Random(f"{seed}-{name(plan)}"), start_ms) for plan in cases
    ]  # fmt: skip
    theirs = outputs_of(list(zip(cases, inputs, strict=True)))
    return [
        compare(plan, input_, output, random.Random(seed))
        for plan, input_, output in zip(cases, inputs, theirs, strict=True)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the line with Kafka Streams on random events.")
    parser.add_argument(
        "--rounds", type=int, default=10, help="rounds of all cases, each with a new seed (10)"
    )
    parser.add_argument(
        "--events",
        type=int,
        default=250_000,
        help="events a case (250,000); a tenth of them where it is one of metrics or sessions",
    )
    parser.add_argument("--seed", type=int, help="of the first round; the next ones follow by one")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    clicks = max(1, options.events // 10)
    compared = dict.fromkeys(("events", "metrics_clicks", "sessions_clicks"), 0)
    failures = 0
    started = perf_counter()
    for round_ in range(seed, seed + options.rounds):
        failures += _show(round_, compare_all(PLANS, options.events, round_))
        failures += _show(round_, differential_metrics.compare_all(clicks, round_))
        failures += _show(round_, differential_sessions.compare_all(clicks, round_))
        compared["events"] += options.events * len(PLANS)
        compared["metrics_clicks"] += clicks * len(differential_metrics.CASES)
        compared["sessions_clicks"] += clicks * len(differential_sessions.CASES)
    seconds = round(perf_counter() - started)
    print(json.dumps({"seed": seed} | compared | {"cases_that_differ": failures, "seconds": seconds}))
    return 1 if failures else 0


def _show(seed: int, comparisons: Sequence[Comparison]) -> int:
    """Print what comparisons gave; return how many differ."""
    for comparison in comparisons:
        verdict = "DIFFERS" if comparison.differences else "equal"
        print(f"seed {seed} {comparison.case}: {verdict} {comparison.figures}", flush=True)
        for difference in comparison.differences[:5]:
            print(f"  {difference}", flush=True)
    return sum(bool(comparison.differences) for comparison in comparisons)


if __name__ == "__main__":
    sys.exit(main())
