"""Starts the collector: `python -m clickstream_collector`.

Exit status: 0 after an orderly end, 1 after a failure (a restart recovers), 2 for wrong settings.
"""

import argparse
import asyncio
import gc
import importlib.metadata
import logging
import sys

from clickstream_collector import logs, metrics
from clickstream_collector.errors import InvalidSettings
from clickstream_collector.kafka.connection import producer_config
from clickstream_collector.server import serve
from clickstream_collector.settings import SETTINGS, read_settings

VERSION = importlib.metadata.version("clickstream-collector")
# A batch makes thousands of short-lived objects; a collection each 700 of them finds nothing.
GC_THRESHOLD = 50_000

log = logging.getLogger("clickstream_collector")


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    _parser().parse_args()
    try:
        settings = read_settings()
        producer_config(settings.kafka)
    except InvalidSettings as invalid:
        print(invalid, file=sys.stderr)
        return 2
    logs.setup(settings.log_level, settings.log_format)
    metrics.BUILD.info({"version": VERSION})
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)
    try:
        return asyncio.run(serve(settings))
    except OSError as error:
        log.critical("cannot serve: %s", error)
        return 1


def _parser() -> argparse.ArgumentParser:
    width = max(len(setting.name) for setting in SETTINGS)
    lines = [f"  {s.name:<{width}}  {s.meaning}{f' [{s.default}]' if s.default else ''}" for s in SETTINGS]
    parser = argparse.ArgumentParser(
        prog="python -m clickstream_collector",
        description="The clickstream collector: clicks over HTTP into Kafka, set up by the environment.",
        epilog="environment:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"clickstream-collector {VERSION}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
