"""What a run is given: flags, else environment variables, else defaults. Nothing else reads them."""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clickstream_local.errors import CannotStart
from clickstream_local.pipeline.reference import EXAMPLE

T = TypeVar("T")
REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a run. 0: any free one."""

    kafka: int = 9092
    kafka_controller: int = 9093
    connect: int = 8073
    postgres: int = 5433  # not 5432, where the distribution's own server listens once it is installed
    search: int = 9200
    query: int = 8080  # pod i listens on query + i
    admin: int = 8180  # pod i listens on admin + i
    connect_metrics: int = 9404
    controller_metrics: int = 9405
    prometheus: int = 9099  # not 9090, where the distribution's own server listens once it is installed
    collector: int = 8090
    collector_admin: int = 8092
    shop: int = 8091


@dataclass(frozen=True, slots=True)
class Options:
    """One run."""

    data: Path
    pipeline: Path
    engine: str | None  # None: the newest that can run here
    pods: int
    rate: float  # clicks a second
    profiles: int
    changes: float  # changes of profiles a second
    seed: int
    ports: Ports
    monitored: bool = False  # every part tells its metrics, and Prometheus runs where it is installed


def environment(name: str, kind: Callable[[str], T], default: T) -> T:
    """Return an environment variable's value; raises CannotStart when it is not of the kind."""
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        return kind(text)
    except ValueError:
        raise CannotStart(f"{name} is {text!r}: it must be {_KINDS[kind]}") from None


_KINDS: dict[Callable[[str], object], str] = {int: "a whole number", float: "a number", str: "text"}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that demo and smoke share."""
    flag = parser.add_argument
    add_data_flag(parser)
    flag("--pods", type=int, help="processor pods (PODS, 2)")
    flag("--rate", type=float, help="clicks a second (RATE, 200)")
    flag(
        "--search-engine", choices=("opensearch", "elasticsearch"), help="SEARCH_ENGINE; the newest that runs"
    )
    flag("--profiles", type=int, help="generated rows in PostgreSQL (PROFILES, 5000)")
    flag("--changes", type=float, help="changes of profiles a second while it runs (CHANGES, 2)")
    flag("--seed", type=int, help="seed of everything generated (SEED, 1)")
    flag("--pipeline", type=Path, help="the ClickPipeline to run (examples/storefront.yaml)")


def add_data_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says which run is meant."""
    parser.add_argument("--data", type=Path, help="folder for data and logs (.local in the repository)")


def data_folder(flags: argparse.Namespace, run: str) -> Path:
    """Return the folder of a run: of the demo, of the smoke test."""
    return Path(flags.data or REPOSITORY / ".local") / run


def pods_from(flags: argparse.Namespace) -> int:
    """Return the number of pods asked for."""
    wanted: int | None = flags.pods
    return _given(wanted, "PODS", int, 2)


def _given(flag: T | None, name: str, kind: Callable[[str], T], default: T) -> T:
    return flag if flag is not None else environment(name, kind, default)


def options_from(flags: argparse.Namespace, folder: str, ports: Ports | None = None) -> Options:
    """Return a run's options; `ports` None: the well-known ones, or what the environment says."""
    options = Options(
        data=data_folder(flags, folder),
        pipeline=flags.pipeline or EXAMPLE,
        engine=flags.search_engine or os.environ.get("SEARCH_ENGINE") or None,
        pods=pods_from(flags),
        rate=_given(flags.rate, "RATE", float, 200.0),
        profiles=_given(flags.profiles, "PROFILES", int, 5000),
        changes=_given(flags.changes, "CHANGES", float, 2.0),
        seed=_given(flags.seed, "SEED", int, 1),
        ports=ports or ports_from_environment(),
        monitored=folder == "demo",
    )
    if options.pods < 1 or options.rate <= 0 or options.profiles < 200 or options.changes <= 0:
        raise CannotStart("PODS must be at least 1, PROFILES at least 200, RATE and CHANGES above 0")
    return options


def ports_from_environment() -> Ports:
    """Return the ports, each changed by an environment variable such as KAFKA_PORT."""
    usual = Ports()
    return Ports(
        kafka=environment("KAFKA_PORT", int, usual.kafka),
        kafka_controller=environment("KAFKA_CONTROLLER_PORT", int, usual.kafka_controller),
        connect=environment("CONNECT_PORT", int, usual.connect),
        postgres=environment("POSTGRES_PORT", int, usual.postgres),
        search=environment("SEARCH_PORT", int, usual.search),
        query=environment("QUERY_PORT", int, usual.query),
        admin=environment("ADMIN_PORT", int, usual.admin),
        connect_metrics=environment("CONNECT_METRICS_PORT", int, usual.connect_metrics),
        controller_metrics=environment("CONTROLLER_METRICS_PORT", int, usual.controller_metrics),
        prometheus=environment("PROMETHEUS_PORT", int, usual.prometheus),
        collector=environment("COLLECTOR_PORT", int, usual.collector),
        collector_admin=environment("COLLECTOR_ADMIN_PORT", int, usual.collector_admin),
        shop=environment("SHOP_PORT", int, usual.shop),
    )
