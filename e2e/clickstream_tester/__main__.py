"""The tester's commands; each prints one JSON object as its last line."""

import argparse
import json
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clickstream_tester.collecting import Collecting
from clickstream_tester.traffic import Traffic, send


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="clickstream_tester", description=__doc__)
    parser.add_argument("--bootstrap", default="events-kafka-bootstrap:9092")
    commands = parser.add_subparsers(required=True)
    traffic = commands.add_parser("traffic", help="clicks and queries until the file STOP appears")
    traffic.add_argument("--topic", default="user-clicks")
    traffic.add_argument("--url", required=True)
    traffic.add_argument("--rate", type=float, default=50)
    traffic.add_argument("--stop", type=Path, required=True)
    traffic.add_argument("--report", type=Path, required=True)
    traffic.set_defaults(run=_traffic)
    collecting = commands.add_parser("collect", help="clicks over HTTP until the file STOP appears")
    collecting.add_argument("--url", required=True)
    collecting.add_argument("--key", required=True)
    collecting.add_argument("--user", required=True)
    collecting.add_argument("--rate", type=float, default=20)
    collecting.add_argument("--stop", type=Path, required=True)
    collecting.add_argument("--report", type=Path, required=True)
    collecting.set_defaults(run=_collect)
    sending = commands.add_parser("send", help="clicks of one user")
    sending.add_argument("user")
    sending.add_argument("count", type=int)
    sending.add_argument("--topic", default="user-clicks")
    sending.add_argument("--time-as-text", action="store_true")
    sending.set_defaults(run=_send)
    check = commands.add_parser("check", help="compare all outputs with all inputs")
    check.add_argument("--partitions", type=int, required=True)
    check.add_argument("--topics", type=json.loads, required=True)
    check.add_argument("--profiles", type=Path, required=True)
    check.add_argument("--timeout-s", type=float, default=120)
    check.set_defaults(run=_check)
    get = commands.add_parser("get", help="one request, as often as TIMES says, each on a new connection")
    get.add_argument("url")
    get.add_argument("--times", type=int, default=1)
    get.set_defaults(run=_get)
    arguments = parser.parse_args()
    print(json.dumps(arguments.run(arguments)))


def _traffic(arguments: argparse.Namespace) -> dict[str, Any]:
    traffic = Traffic(arguments.bootstrap, arguments.topic, arguments.url, arguments.rate, arguments.stop)
    report = traffic.run()
    arguments.report.write_text(json.dumps(report))
    return report


def _collect(arguments: argparse.Namespace) -> dict[str, Any]:
    report = Collecting(arguments.url, arguments.key, arguments.user, arguments.rate, arguments.stop).run()
    arguments.report.write_text(json.dumps(report))
    return report


def _send(arguments: argparse.Namespace) -> dict[str, Any]:
    places = send(
        arguments.bootstrap,
        arguments.topic,
        arguments.user,
        arguments.count,
        time_as_text=arguments.time_as_text,
    )
    return {"sent": len(places), "places": places}


def _check(arguments: argparse.Namespace) -> dict[str, Any]:
    from clickstream_chaos.checking.checker import Checker

    profiles = {profile["user_id"]: profile for profile in json.loads(arguments.profiles.read_text())}
    checker = Checker(
        arguments.bootstrap,
        arguments.topics,
        arguments.partitions,
        profiles,
        window_ms=300_000,
        grace_ms=60_000,
    )
    deadline_s = time.monotonic() + arguments.timeout_s
    while True:
        verdict = checker.check()
        if verdict.complete() or verdict.wrong() or time.monotonic() > deadline_s:
            enriched = len(checker._model.expected.enriched)
            return {"complete": verdict.complete(), "enriched": enriched, **asdict(verdict)}
        time.sleep(1)


def _get(arguments: argparse.Namespace) -> dict[str, Any]:
    answers = [_one(arguments.url) for _ in range(arguments.times)]
    return {"answers": answers}


def _one(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return {
                "status": answer.status,
                "headers": dict(answer.headers),
                "text": answer.read().decode(errors="replace"),
            }
    except urllib.error.HTTPError as error:
        return {
            "status": error.code,
            "headers": dict(error.headers),
            "text": error.read().decode(errors="replace"),
        }
    except OSError as error:
        return {"status": 0, "headers": {}, "text": str(error)}


if __name__ == "__main__":
    main()
