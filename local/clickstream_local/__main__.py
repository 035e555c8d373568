"""`python -m clickstream_local`: the demo, its proof and its state. Ctrl-C and SIGTERM end it in order."""

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from clickstream_operator.errors import InvalidSpec
from rich.console import Console

from clickstream_local.demo.demo import run_demo
from clickstream_local.demo.erase import erase_demo
from clickstream_local.demo.replay import replay_demo
from clickstream_local.demo.status import kill_pod, scale_demo, show_status
from clickstream_local.errors import CannotStart, LocalError
from clickstream_local.machine.ports import free_ports, free_row
from clickstream_local.pipeline.options import (
    Options,
    Ports,
    add_data_flag,
    add_flags,
    data_folder,
    options_from,
    pods_from,
)
from clickstream_local.pipeline.progress import Progress
from clickstream_local.smoke.smoke import run_smoke

DESCRIPTION = (
    "The reference pipeline on real parts, as processes of this machine: no Kubernetes, no containers."
)
DEMO = """Run everything until Ctrl-C, with generated profiles and clicks.
Ports: KAFKA_PORT 9092, CONNECT_PORT 8073, POSTGRES_PORT 5433, SEARCH_PORT 9200, QUERY_PORT 8080 (pod i: + i),
ADMIN_PORT 8180 (pod i: + i), KAFKA_CONTROLLER_PORT 9093, PROMETHEUS_PORT 9099, CONNECT_METRICS_PORT 9404,
CONTROLLER_METRICS_PORT 9405, COLLECTOR_PORT 8090, COLLECTOR_ADMIN_PORT 8092, SHOP_PORT 8091. Prometheus
runs with the chart's alert rules where it is installed.
Downloads are kept in CLICKSTREAM_CACHE (~/.cache/clickstream)."""
SMOKE = """Run everything on free ports, for about two minutes, and prove the path by an independent count.
Prints a table of what was checked and, last, one JSON object; exits with 0 only if all held."""
PLAIN_WIDTH = 160  # of tables in a file or a log
FORMATTER = argparse.RawDescriptionHelpFormatter


class Ended(Exception):
    """Somebody asked to end. Stop everything and exit with status 0."""


def main() -> int:
    """Run one command and return the exit status: 0 well, 1 not, 2 wrong arguments."""
    flags = _parser().parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    try:
        with _ending_on_signals():
            return int(_run(flags, console))
    except (LocalError, InvalidSpec) as error:
        console.print("[red]error:[/]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    except Ended:
        return 0 if flags.command == "demo" else 1


def _run(flags: argparse.Namespace, console: Console) -> bool:
    """Return False when the command's answer is no."""
    if flags.command == "demo":
        options = options_from(flags, "demo")
        with _alone(options):
            run_demo(options, Progress(console))
        return False
    if flags.command == "smoke":
        options = options_from(flags, "smoke", _free_ports(pods_from(flags)))
        with _alone(options):
            return not run_smoke(options, Progress(console))
    data = data_folder(flags, "demo")
    if flags.command == "scale":
        console.print(scale_demo(data, flags.number))
        return False
    if flags.command == "kill":
        console.print(kill_pod(data, flags.number))
        return False
    if flags.command == "replay":
        return not replay_demo(data, flags.file, console)
    if flags.command == "erase":
        return not erase_demo(data, flags.file, console)
    return not show_status(data, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clickstream_local", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text, line in (
        ("demo", DEMO, "run everything until Ctrl-C"),
        ("smoke", SMOKE, "run everything for two minutes and prove the whole path"),
    ):
        add_flags(commands.add_parser(name, help=line, description=text, formatter_class=FORMATTER))
    status = "tell how the running demo is"
    add_data_flag(commands.add_parser("status", help=status, description=f"{status.capitalize()}."))
    for name, argument, line in (
        ("scale", "pods", "change the number of pods of the running demo"),
        ("kill", "pod", "kill a pod of the running demo, as a crash would; it is started again"),
    ):
        command = commands.add_parser(name, help=line, description=line[0].upper() + line[1:] + ".")
        command.add_argument("number", type=int, metavar=argument.upper())
        add_data_flag(command)
    for name, kind, line in (
        ("replay", "ClickReplay", "send dead letters of the running demo once more"),
        ("erase", "ClickErasure", "take users out of the running demo, with a receipt"),
    ):
        example = "replay" if name == "replay" else "erasure"
        command = commands.add_parser(name, help=line, description=f"{line.capitalize()}.")
        command.add_argument(
            "file", type=Path, metavar="FILE", help=f"a {kind}, such as examples/{example}.yaml"
        )
        add_data_flag(command)
    return parser


def _free_ports(pods: int) -> Ports:
    """Return free ports; those of the pods follow each other."""
    kafka, controller, connect, postgres, search, collector, collector_admin, shop = free_ports(8)
    query = free_row(2 * pods)
    return Ports(
        kafka=kafka,
        kafka_controller=controller,
        connect=connect,
        postgres=postgres,
        search=search,
        query=query,
        admin=query + pods,
        collector=collector,
        collector_admin=collector_admin,
        shop=shop,
    )


@contextmanager
def _alone(options: Options) -> Iterator[None]:
    """Hold the data folder. Raises CannotStart when another run has it."""
    options.data.mkdir(parents=True, exist_ok=True)
    with (options.data / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(
                f"process {lock.read().strip()} uses {options.data}: end it, or choose another --data"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Make the first signal raise Ended; a second one ends at once, and the kernel ends all parts with us."""

    def at_once(*_: object) -> NoReturn:
        os._exit(130)

    def in_order(_: int, __: FrameType | None) -> NoReturn:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, at_once)
        raise Ended

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, in_order)
    yield


if __name__ == "__main__":
    sys.exit(main())
