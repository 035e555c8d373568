"""The demo: everything runs until it is told to end, and a line says how it goes."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

from clickstream_local.errors import CannotStart, DeadlinePassed
from clickstream_local.load.producer import ClickProducer, Stream
from clickstream_local.load.profiles import ALICE, Profile, make_profiles
from clickstream_local.load.traffic import Traffic
from clickstream_local.load.visitors import NO_FLAWS, Visitors
from clickstream_local.machine.ports import HOST
from clickstream_local.machine.web import request
from clickstream_local.parts.prometheus import HOW_TO_GET
from clickstream_local.pipeline.database import Writer
from clickstream_local.pipeline.live_line import Probe, Watch
from clickstream_local.pipeline.options import Options
from clickstream_local.pipeline.progress import Progress
from clickstream_local.pipeline.replicas import Replicas
from clickstream_local.pipeline.stack import Stack
from clickstream_local.shop.shop import Shop

RUN_FILE = "run.json"
PLAIN_LINE_EVERY_S = 10
VISITORS_PER_S = 5.0  # clicks through the collector, at most a fortieth of all
STEADY = 100  # the first profiles change and are never deleted
SHOP_VISITORS = 8  # who a person in the shop may be


class Worker(Protocol):
    """What goes on while the demo runs."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""


def run_demo(options: Options, progress: Progress) -> None:
    """Start everything and show figures until an interrupt; then stop everything."""
    stack = Stack(options, progress)
    try:
        stack.start()
        _note(options, stack)
        _show(options, stack, progress)
    finally:
        stack.stop()
        (options.data / RUN_FILE).unlink(missing_ok=True)


def _show(options: Options, stack: Stack, progress: Progress) -> None:
    topics = stack.pipeline.spec.topics
    profiles = make_profiles(options.profiles, options.seed)
    in_shop = profiles[STEADY - SHOP_VISITORS : STEADY]
    shop = _shop(options, stack, in_shop)
    # Nobody else clicks for them: a person sees their own clicks counted, one by one.
    users = [profile.user_id for profile in profiles if profile not in in_shop]
    producer = ClickProducer(stack.kafka.bootstrap, topics.clicks)
    seed = options.seed + int(time.time())  # a second run on the same data is another day in the shop
    stream = Stream(producer, Traffic(users, topics.partitions, seed=seed), options.rate)
    writers = [
        Writer(profiles, options.profiles, options.changes, options.seed)
        for profiles in (stack.profiles,)
        if profiles is not None
    ]
    probe = Probe(stack.pods, users)
    watch = Watch(stack, producer, probe)
    visitors = Visitors(
        stack.collector.url,
        stack.collector.key,
        Traffic(users[: STEADY - SHOP_VISITORS], topics.partitions, seed=seed, flaws=NO_FLAWS),
        min(VISITORS_PER_S, options.rate / 40),
    )
    workers: tuple[Worker, ...] = (watch, stream, visitors, *writers, probe, shop)
    for worker in workers:
        worker.start()
    try:
        _first_answer(stack, progress)
        _print_addresses(options, stack, shop, progress)
        _figures_for_ever(stack, watch, progress)
    finally:
        for worker in workers:
            worker.stop()


def _first_answer(stack: Stack, progress: Progress, timeout_s: float = 120) -> None:
    """Wait until a pod has counted clicks of Alice."""
    url = f"{stack.pods.pods[0].url}/dashboard/users/{ALICE}/metrics"
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        answer = request("GET", url)
        if answer.ok and any(
            value for name, value in answer.json().items() if name.startswith("clicks_last")
        ):
            progress.say(f"first query answered: [bold]{answer.body.decode()}[/]")
            return
        time.sleep(0.1)
    raise DeadlinePassed(
        f"{url} had no clicks to tell after {timeout_s:.0f} s; see {stack.options.data}/pod-0.log"
    )


def _shop(options: Options, stack: Stack, people: Sequence[Profile]) -> Shop:
    return Shop(
        port=options.ports.shop,
        collector=stack.collector.url,
        key=stack.collector.key,
        pipeline=stack.pods.pods[0].url,
        visitors=people,
    )


def _print_addresses(options: Options, stack: Stack, shop: Shop, progress: Progress) -> None:
    first = stack.pods.pods[0]
    others = ", ".join(pod.url for pod in stack.pods.pods[1:])
    parts = stack.parts()
    rows = {
        "Shop": f"{shop.url}/   (click there, and see it counted)",
        "Insights": f"{first.url}/",
        "Search": f"{first.url}/search" if stack.pipeline.search else "",
        "Dead letters": f"{first.url}/dead-letters",
        "Operations": f"{first.url}/operations",
        "API": f"curl -s {first.url}/dashboard/users/{ALICE}/metrics"
        + (f"   (or {others})" if others else ""),
        "Collector": f"{stack.collector.url}/v1/clicks",
        "Prometheus": _prometheus(stack),
        "Metrics": " ".join(f"http://{HOST}:{target.port}/metrics" for target in stack.targets()),
        stack.search.engine: stack.search.url if stack.search.engine in parts else "",
        "Kafka": stack.kafka.bootstrap,
        "Kafka Connect": f"{stack.connect.url}/connectors?expand=status" if stack.connectors else "",
        "PostgreSQL": _psql(stack),
        "Data and logs": str(options.data),
    }
    progress.console.print()
    for name, value in ((name, value) for name, value in rows.items() if value):
        progress.console.print(f"  {name:<14} {value}", soft_wrap=True)
    progress.console.print(
        "\n  From another terminal: `python -m clickstream_local status`, `... scale 4`, `... kill 1`."
        "\n  Ctrl-C stops everything; the data stays until `make clean`.\n"
    )


def _psql(stack: Stack) -> str:
    if not stack.pipeline.has_table:
        return ""
    source = stack.pipeline.postgres
    return f"psql -h {source.host} -p {source.port} -U postgres {source.database}"


def _prometheus(stack: Stack) -> str:
    if stack.prometheus is None:
        return f"not installed: {HOW_TO_GET}, then start again"
    return f"{stack.prometheus.url}/   (the chart's alert rules; targets: Status, Targets)"


def _figures_for_ever(stack: Stack, watch: Watch, progress: Progress) -> None:
    terminal = progress.console.is_terminal
    replicas = Replicas(stack.pods, stack.settings, progress)
    next_line_s = 0.0
    with progress.console.status("") as status:
        while not (ended := [name for name in stack.ended() if name != "a pod"]):
            replicas.keep()
            stack.show_targets()
            _note(stack.options, stack)
            if time.monotonic() >= next_line_s:
                line = watch.look().line()
                if terminal:
                    status.update(line)
                else:
                    progress.say(line)
                next_line_s = time.monotonic() + (0 if terminal else PLAIN_LINE_EVERY_S)
            time.sleep(1)
    raise CannotStart(f"{', '.join(ended)} ended by itself; see the logs in {stack.options.data}")


def _note(options: Options, stack: Stack) -> None:
    """Write what `status` reads."""
    run = {
        "pid": os.getpid(),
        "engine": stack.search.engine,
        "pods": [pod.process.pid for pod in stack.pods.pods],
        "ports": asdict(options.ports),
        "prometheus": stack.prometheus.url if stack.prometheus else None,
        "parts": list(stack.parts()),
        "connectors": [connector.name for connector in stack.connectors],
    }
    scratch = (options.data / RUN_FILE).with_suffix(".new")
    scratch.write_text(json.dumps(run) + "\n")
    scratch.replace(options.data / RUN_FILE)
